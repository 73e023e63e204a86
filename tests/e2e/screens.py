"""Looking at pages: pictures in two sizes and two colour schemes, WCAG 2.2 AA, and nothing that sticks out."""

from pathlib import Path
from typing import Any, Final
from zlib import crc32

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "test-results" / "screens"
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
SIZES: Final = {"phone": (390, 844), "desk": (1280, 800)}
SCHEMES: Final = ("light", "dark")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_ASKED = "{runOnly: tags, resultTypes: ['violations'], selectors: false}"  # finding selectors takes half of its time
NARROWEST_PX = 320
TARGET_PX = 44
# Colours have a transition, also with reduced motion: a short one. And htmx may be about to change a part.
_AT_REST = """
  () => new Promise((go) => requestAnimationFrame(() => setTimeout(go, 50))).then(() =>
    document.getAnimations().every((one) => one.playState === "finished") &&
    !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling"))
"""
_SMALL_TARGETS = """
  [...document.querySelectorAll("a.btn, button, select, .chip span, nav a")]
    .filter((e) => e.offsetParent && !e.closest(".sentence"))
    .map((e) => [e.getBoundingClientRect(), e])
    .filter(([box]) => box.width > 1 && (box.height < TARGET || box.width < TARGET))
    .map(([box, e]) => `${e.className} ${Math.round(box.width)}x${Math.round(box.height)} ${e.innerText}`)
""".replace("TARGET", str(TARGET_PX - 0.5))
_OUTSIDE = """() => [...document.querySelectorAll("a, button, input, select")]
  .filter((e) => e.offsetParent && !e.closest(".skip, .visually-hidden"))
  .map((e) => [e.getBoundingClientRect(), e])
  .filter(([box]) => box.width > 1 && (box.left < 0 || box.right > innerWidth + 0.5))
  .map(([box, e]) => `${e.className} ${Math.round(box.left)}-${Math.round(box.right)} ${e.innerText}`)
"""


def picture(page: Page, name: str) -> None:
    """One picture of what is on the screen now, under test-results/screens/."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def look(page: Page, name: str, *, full_page: bool = True) -> list[str]:
    """Take the page in both sizes and both schemes, and return what is wrong with it, in words.

    axe-core reads each size and each scheme once: one half of the pages dark on the phone, the other half light there.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    problems = []
    for scheme in SCHEMES:
        for size, (width, height) in SIZES.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(_AT_REST)
            page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=full_page)
            is_read = (scheme == SCHEMES[crc32(name.encode()) % 2]) == (size == "phone")
            found = (violations(page) if is_read else []) + overflow(page, width)
            problems += [f"{size}, {scheme}: {problem}" for problem in found]
    page.set_viewport_size({"width": NARROWEST_PX, "height": 700})
    return (
        problems
        + overflow(page, NARROWEST_PX)
        + [f"too small: {one}" for one in page.evaluate(_SMALL_TARGETS)]
    )


def violations(page: Page) -> list[str]:
    """What axe-core finds. The page must have it already."""
    result: dict[str, Any] = page.evaluate(f"(tags) => axe.run(document, {_ASKED})", WCAG)
    return [f"{found['id']}: {found['nodes'][0]['html'][:200]}" for found in result["violations"]]


def overflow(page: Page, width: int) -> list[str]:
    real: int = page.evaluate("() => document.documentElement.scrollWidth")
    return [f"it is {real} px wide on a screen of {width} px"] if real > width else []


def pushed_off(page: Page) -> list[str]:
    """Buttons and links that are not wholly on the screen, from left to right."""
    outside: list[str] = page.evaluate(_OUTSIDE)
    return [f"outside: {one}" for one in outside]
