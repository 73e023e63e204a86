import io
import json

import pytest

from benchmarks.figures import (
    Figure,
    Options,
    figure,
    options_parse,
    quantile,
    quantile_figures,
    report,
    table,
)

pytestmark = pytest.mark.unit

KNOWN = ["C1", "C2", "C10"]


def printed(figures: list[Figure], options: Options) -> tuple[int, str]:
    out = io.StringIO()
    code = report(figures, options, out=out)
    return code, out.getvalue()


@pytest.mark.parametrize(
    ("value", "bar", "ok"),
    [
        (5.0, "<= 5", True),
        (5.01, "<= 5", False),
        (5.0, "< 5", False),
        (30.0, ">= 30", True),
        (29.9, ">= 30", False),
        (0.0, "> 0", False),
        (0.0, "= 0", True),
        (-41.0, "<= -40", True),
        (1.0, "-", True),
        (None, "-", False),
        (None, "<= 5", False),
        (float("nan"), "<= 5", False),
        (float("inf"), ">= 5", False),
    ],
)
def test_a_figure_is_judged_by_its_bar(value: float | None, bar: str, ok: bool) -> None:
    assert figure("C1", "claim", value, "s", bar=bar).ok is ok


def test_it_is_judged_before_it_is_rounded() -> None:
    found = figure("C1", "claim", 5.00001, "s", bar="<= 5")
    assert (found.value, found.ok) == (5.0, False)


@pytest.mark.parametrize("bar", ["", "5", "about 5", "<=5 s", "<= five"])
def test_a_bar_that_is_none_is_refused(bar: str) -> None:
    with pytest.raises(ValueError, match="is no bar"):
        figure("C1", "claim", 1.0, "s", bar=bar)


def test_a_quantile_is_a_value_that_occurred() -> None:
    runs = [float(n) for n in range(20, 0, -1)]
    assert quantile(runs, 0.5) == 10.0
    assert quantile(runs, 0.95) == 19.0
    assert quantile(runs, 1.0) == 20.0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert quantile([7.0], 0.95) == 7.0
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_outside_of_everything_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="a share lies between"):
        quantile([1.0], share)


def test_p50_and_p95_have_bars_of_their_own() -> None:
    p50, p95 = quantile_figures(
        "C2", "call", [0.4, 0.5, 2.0], "s", runs=3, p50_bar="<= 0.5", p95_bar="<= 1", reference="LAN"
    )
    assert (p50.id, p50.value, p50.ok) == ("C2.p50", 0.5, True)
    assert (p95.id, p95.value, p95.ok) == ("C2.p95", 2.0, False)
    assert p50.reference == "3 runs, longest 2 s; LAN"


def test_figures_without_runs_are_not_ok() -> None:
    figures = quantile_figures("C2", "call", [], "s", runs=3)
    assert [(found.value, found.ok, found.reference) for found in figures] == [
        (None, False, "0 of 3 runs")
    ] * 2


def test_a_run_that_is_missing_is_not_ok() -> None:
    figures = quantile_figures("C2", "call", [0.1, 0.2], "s", runs=3, p50_bar="<= 1")
    assert [(found.value, found.ok) for found in figures] == [(0.1, False), (0.2, False)]
    assert figures[0].reference == "2 of 3 runs, longest 0.2 s"


def test_one_run_is_one_run() -> None:
    assert quantile_figures("C2", "call", [0.2], "s", runs=1)[0].reference == "1 run, longest 0.2 s"


def test_the_table_says_what_missed_and_what_was_not_measured() -> None:
    lines = table(
        [
            figure("C1", "claim", 2.5, "s", bar="<= 5"),
            figure("C2", "call", 2.5, "s", bar="<= 1", reference="LAN"),
            figure("C10", "start", None, "s"),
        ]
    ).splitlines()
    assert lines[0].split() == ["id", "figure", "value", "unit", "bar", "reference"]
    assert lines[2].split() == ["C1", "claim", "2.5", "s", "<=", "5", "ok"]
    assert lines[3].split() == ["C2", "call", "2.5", "s", "<=", "1", "MISSED", "LAN"]
    assert "not measured" in lines[4]
    assert "MISSED" in lines[4]


def test_json_ends_the_output_with_one_line() -> None:
    code, text = printed([figure("C1", "claim", 2.5, "s", bar="<= 5")], Options(prints_json=True))
    assert json.loads(text.splitlines()[-1]) == {
        "figures": [
            {
                "id": "C1",
                "name": "claim",
                "value": 2.5,
                "unit": "s",
                "bar": "<= 5",
                "ok": True,
                "reference": "",
            }
        ]
    }
    assert code == 0


def test_what_was_not_measured_is_null_in_json() -> None:
    code, text = printed([figure("C1", "claim", float("nan"), "s")], Options(prints_json=True))
    assert json.loads(text.splitlines()[-1])["figures"][0]["value"] is None
    assert code == 1


def test_without_json_there_is_a_table_only() -> None:
    assert "{" not in printed([figure("C1", "claim", 2.5, "s")], Options())[1]


def test_one_missed_bar_fails_the_run() -> None:
    good, bad = figure("C1", "claim", 1.0, "s", bar="<= 5"), figure("C2", "call", 9.0, "s", bar="<= 1")
    assert printed([good, bad], Options())[0] == 1
    assert printed([good], Options())[0] == 0
    assert printed([], Options())[0] == 1


def test_only_chooses_figures_and_their_parts() -> None:
    figures = [figure(name, name, 1.0, "s") for name in ("C1.p50", "C1.p95", "C10.p50", "C2")]
    _, text = printed(figures, Options(prints_json=True, only=("C1",)))
    assert [f["id"] for f in json.loads(text.splitlines()[-1])["figures"]] == ["C1.p50", "C1.p95"]


def test_a_quick_run_says_so() -> None:
    assert "quick" in printed([figure("C1", "claim", 1.0, "s")], Options(is_quick=True))[1]


def test_the_command_line_is_read() -> None:
    options = options_parse("main_job", "", KNOWN, ["--json", "--only", "C1,C2", "--quick"])
    assert options == Options(prints_json=True, only=("C1", "C2"), is_quick=True)
    assert options_parse("main_job", "", KNOWN, []) == Options()


def test_an_unknown_figure_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options_parse("main_job", "", KNOWN, ["--only", "C3"])
    assert "there is no figure C3; there are C1, C10, C2" in capsys.readouterr().err
