"""What axe-core finds wrong with a page for those who cannot see it, or use no mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.support.needs import NODE_MODULES

if TYPE_CHECKING:
    from playwright.async_api import Page

_AXE: Final = NODE_MODULES / "axe-core" / "axe.min.js"
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def found_wrong(page: Page) -> list[str]:
    """Each thing that axe objects to in what is shown now, with where it is, whatever its weight."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate(
        "(tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations'] })", _RULES
    )
    return [
        f"{each['impact']}: {each['id']}: {each['help']}: "
        + "; ".join(f"{node['html'][:200]} ({_of(node, 'any', 'all', 'none')})" for node in each["nodes"][:5])
        for each in found["violations"]
    ]


def _of(node: dict[str, Any], *kinds: str) -> str:
    return ", ".join(check["message"] for kind in kinds for check in node[kind])
