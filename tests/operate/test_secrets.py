from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.secrets import secret_get, secret_place

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    return tmp_path


def test_a_secret_is_made_once_and_closed_to_others(own_data_dir: Path) -> None:
    first = secret_get("LETTER_KEY")
    path = own_data_dir / "secrets" / "LETTER_KEY"
    assert len(first) >= 43  # 256 bits in base64
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert secret_get("LETTER_KEY") == first
    assert secret_place("LETTER_KEY") == f"in the file {path}"
    assert secret_get("OTHER_KEY") != first


def test_many_that_ask_at_once_get_the_same(own_data_dir: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(secret_get, ["RACE_KEY"] * 64))) == 1
    assert [path.name for path in (own_data_dir / "secrets").iterdir()] == ["RACE_KEY"]


def test_the_environment_and_its_file_come_first(own_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_data_dir / "given").write_text("from the file\n")
    monkeypatch.setenv("HUB_LETTER_KEY_FILE", str(own_data_dir / "given"))
    assert secret_get("LETTER_KEY") == "from the file"
    assert secret_place("LETTER_KEY") == f"in the file {own_data_dir / 'given'}"
    monkeypatch.setenv("HUB_LETTER_KEY", "from the environment")
    assert secret_get("LETTER_KEY") == "from the environment"
    assert secret_place("LETTER_KEY") == "in HUB_LETTER_KEY"
    assert not (own_data_dir / "secrets").exists()


def test_an_empty_secret_file_is_refused(own_data_dir: Path) -> None:
    (own_data_dir / "secrets").mkdir()
    (own_data_dir / "secrets" / "LETTER_KEY").touch()
    with pytest.raises(ValueError, match="is empty"):
        secret_get("LETTER_KEY")
