"""What the activation is made of, as the browser runs it, by itself: patches, drafts, the tree, and what becomes of a change."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.api.flow_service.patching import patched
from tests.web.test_page_of_workers import Scripted, page_of

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.needs("chromium")]

PATCHES: Final = """async (cases) => {
  const { draftOf } = await import("/page/activate/draft.js");
  return cases.map(({ flow, drop, choose }) => {
    const draft = draftOf(flow, "an-etag");
    for (const [kind, items] of Object.entries(choose)) draft.choose(kind, items);
    for (const [kind, keys] of Object.entries(drop)) draft.drop(kind, keys);
    return { patch: draft.patch(), segments: draft.chosen("segments"), attributes: draft.chosen("attributes") };
  });
}"""


def segment(number: int, namespace: str = "ups") -> dict[str, Any]:
    named = {} if namespace == "ups" else {"namespace": namespace}
    return {"type": "PLATFORM_SEGMENT", "value": {"id": f"segment-{number}", **named, "createTime": "1"}}


def attribute(path: str) -> dict[str, Any]:
    return {"type": "JSON_PATH", "value": {"path": path, "operator": "EXISTS"}}


def of_params(*params: dict[str, Any] | None) -> dict[str, Any]:
    members = [{} if each is None else {"params": each} for each in params]
    return {"id": "flow", "transformations": [{"name": "GeneralTransform", **each} for each in members]}


def some_flow(rng: random.Random) -> dict[str, Any]:
    """A flow in one of the forms that the API takes."""
    segments = [segment(n, rng.choice(["ups", "a/b"])) for n in rng.sample(range(20), rng.randrange(6))]
    attributes = [attribute(f"path{n}") for n in rng.sample(range(20), rng.randrange(6))]
    unknown = {"type": "SOMETHING", "value": {"id": "kept"}}
    whole = {
        "segmentSelectors": {"selectors": [*segments[:2], unknown, *segments[2:]]},
        "profileSelectors": {"selectors": attributes},
    }
    return rng.choice(
        [
            {"id": "flow"},
            {"id": "flow", "transformations": []},
            of_params(None),
            of_params({}),
            of_params({"segmentSelectors": {}, "profileSelectors": {"selectors": None}}),
            of_params(whole),
            of_params(None, whole),
            of_params({"profileSelectors": whole["profileSelectors"]}),
            of_params({"segmentSelectors": {"selectors": segments[:2]}}, {"segmentSelectors": {"selectors": segments[2:]}}),
        ]
    )  # fmt: skip


def selectors(flow: dict[str, Any], member: str) -> list[dict[str, Any]]:
    lists = [(each.get("params") or {}).get(member) or {} for each in flow.get("transformations") or []]
    return [selector for each in lists for selector in each.get("selectors") or []]


def mapped_segments(flow: dict[str, Any]) -> set[tuple[str, str]]:
    values = [each["value"] for each in selectors(flow, "segmentSelectors") if each["type"] != "SOMETHING"]
    return {(each.get("namespace", "ups"), each["id"]) for each in values}


def mapped_attributes(flow: dict[str, Any]) -> set[str]:
    return {each["value"]["path"] for each in selectors(flow, "profileSelectors")}


def wish(rng: random.Random, most: int) -> dict[str, Any]:
    """What somebody chooses, and takes off; keys as the page tells segments apart."""
    several = [rng.randrange(most) for _ in range(rng.randrange(most))]
    segments = [{"key": f"ups/segment-{n}", "namespace": "ups", "id": f"segment-{n}"} for n in several]
    attributes = [{"key": f"path{n}", "path": f"path{n}"} for n in several[:5]]
    off = [rng.randrange(20) for _ in range(6)]
    return {
        "choose": {"segments": segments, "attributes": attributes},
        "drop": {
            "segments": [*(f"ups/segment-{n}" for n in off), *(f"a%2Fb/segment-{n}" for n in off)],
            "attributes": [f"path{n}" for n in off[:3]],
        },
    }


async def test_a_patch_maps_what_was_chosen_and_nothing_else_whatever_form_the_flow_has() -> None:
    rng = random.Random(11)
    cases = [{"flow": some_flow(rng), **wish(rng, rng.choice([6, 600]))} for _ in range(300)]
    async with page_of(Scripted()) as page:
        for case, told in zip(cases, await page.evaluate(PATCHES, cases), strict=True):
            flow = patched(case["flow"], told["patch"]) if told["patch"] else case["flow"]
            assert mapped_segments(flow) == {(each["namespace"], each["id"]) for each in told["segments"]}
            assert mapped_attributes(flow) == {each["path"] for each in told["attributes"]}
            # What the page does not know, and what stays, is left as it was.
            for member in ("segmentSelectors", "profileSelectors"):
                stays = [each for each in selectors(case["flow"], member) if each in selectors(flow, member)]
                assert [each for each in selectors(flow, member) if each in stays] == stays
                kept = [each for each in selectors(case["flow"], member) if each["type"] == "SOMETHING"]
                assert kept == [each for each in selectors(flow, member) if each["type"] == "SOMETHING"]


async def test_a_thousand_choices_are_one_patch_that_the_api_takes() -> None:
    flow = of_params({"segmentSelectors": {"selectors": [segment(n) for n in range(450)]}})
    chosen = [
        {"key": f"ups/segment-{n}", "namespace": "ups", "id": f"segment-{n}"} for n in range(1_000, 1_500)
    ]
    attributes = [{"key": f"path{n}", "path": f"path{n}"} for n in range(500)]
    case = {
        "flow": flow,
        "choose": {"segments": chosen, "attributes": attributes},
        "drop": {"segments": [f"ups/segment-{n}" for n in range(400)]},
    }
    async with page_of(Scripted()) as page:
        (told,) = await page.evaluate(PATCHES, [case])
    made = patched(flow, told["patch"])
    assert len(mapped_segments(made)) == 550
    assert len(mapped_attributes(made)) == 500


BRANCHES: Final = """async (paths) => {
  const { draftOf } = await import("/page/activate/draft.js");
  const draft = draftOf({ id: "flow" }, "an-etag");
  for (const path of paths) draft.choose("attributes", [{ key: path, path }]);
  return draft.chosen("attributes").map(({ path }) => path);
}"""


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        (["person.email", "person.name.lastName", "person"], ["person"]),
        (["person", "person.email"], ["person"]),
        (["person.name", "personal", "person.email"], ["person.name", "personal", "person.email"]),
        (["__proto__.a", "constructor", "__proto__"], ["constructor", "__proto__"]),
    ],
)
async def test_no_chosen_attribute_lies_in_another(paths: list[str], chosen: list[str]) -> None:
    async with page_of(Scripted()) as page:
        assert await page.evaluate(BRANCHES, paths) == chosen


TOOK: Final = """async ([before, wanted, statuses]) => {
  const { backfillsOf, following } = await import("/page/activate/following.js");
  const took = following(backfillsOf(before), wanted);
  return statuses.map((status) => took(status));
}"""
FORMER: Final = {"kind": "segment", "name": "ups/one"}
NEW: Final = {"kind": "segment", "name": "ups/two"}


def backfill(partition: int, stage: str, fingerprint: str = "new", **changes: Any) -> dict[str, Any]:
    """As a worker reports one."""
    counts: dict[str, Any] = {"profiles": 10, "exported": 4, "refused": {}, "unmet": None, "share": 0.5}
    cause = {"fingerprint": fingerprint, "former": f"before {fingerprint}", "request": None}
    return {"partition": partition, "stage": stage, **cause, **counts, **changes}


def status(*items: dict[str, str], backfills: list[dict[str, Any]], lag: int = 0) -> dict[str, Any]:
    """Of one worker with two partitions."""
    worker = {
        "destination": {"items": list(items)},
        "partitions": [{"partition": 0}, {"partition": 1}],
        "backfills": backfills,
        "totals": {"exported": 5},
    }
    return {"workers": [worker], "ready": True, "reasons": {}, "lag": {"records": lag}, "backfill": {"leftS": 7}}  # fmt: skip


def idle(notice: str | None) -> dict[str, Any]:
    return {"workers": [], "ready": True, "reasons": {}, "notice": notice, "lag": {"records": 0}, "backfill": None}  # fmt: skip


async def told(page: Page, before: Any, statuses: list[Any], **wanted: Any) -> list[dict[str, Any]]:
    expected = {"mapped": ["segment ups/two"], "unmapped": [], "isIdle": False} | wanted
    found: list[dict[str, Any]] = await page.evaluate(TOOK, [before, expected, statuses])
    return found


async def stages(page: Page, before: Any, statuses: list[Any], **wanted: Any) -> list[str]:
    return [each["stage"] for each in await told(page, before, statuses, **wanted)]


async def test_a_change_is_followed_to_the_end_of_its_own_backfill_alone() -> None:
    ended = [backfill(0, "complete", "old"), backfill(1, "complete", "old")]
    before = status(FORMER, backfills=ended)
    statuses = [
        before,
        status(FORMER, NEW, backfills=ended),
        status(FORMER, NEW, backfills=[backfill(0, "running"), ended[1]]),
        status(FORMER, NEW, backfills=[backfill(0, "complete"), ended[1]]),
        status(FORMER, NEW, backfills=[backfill(0, "complete"), backfill(1, "waiting")]),
        status(FORMER, NEW, backfills=[backfill(0, "complete"), backfill(1, "complete", refused={"bad-json": 2})]),
    ]  # fmt: skip
    async with page_of(Scripted()) as page:
        found = await told(page, before, statuses)
    assert [each["stage"] for each in found] == ["taking", "watching", *["running"] * 3, "complete"]
    assert (found[-1]["profiles"], found[-1]["exported"], found[-1]["refused"]) == (20, 8, 2)
    assert (found[2]["share"], found[2]["leftS"]) == (0.5, 7)


async def test_a_dataflow_that_somebody_disables_meanwhile_is_told_as_idle_and_followed_on() -> None:
    statuses = [*[idle("it is disabled")] * 4, status(NEW, backfills=[backfill(0, "running")])]
    async with page_of(Scripted()) as page:
        found = await told(page, status(FORMER, backfills=[]), statuses)
    assert [each["stage"] for each in found] == [*["taking"] * 3, "idle", "running"]
    assert found[3]["isPassing"], "it is no end: it may be enabled again"


async def test_what_was_told_before_a_change_is_no_end_of_it() -> None:
    nothing = status(NEW, backfills=[])
    async with page_of(Scripted()) as page:
        # No worker is to run while nothing is mapped; the first to be mapped has them begin, and read all events.
        reading = status(NEW, backfills=[], lag=9)
        assert await stages(page, None, [idle("nothing is exported"), reading, *[nothing] * 4]) == [
            "taking", "reading", "watching", "watching", "nothing", "nothing",
        ]  # fmt: skip
        # Where it is to end so, it has ended.
        running = status(FORMER, backfills=[])
        assert await stages(
            page, running, [running, idle("no segment"), idle(None)], mapped=[], isIdle=True
        ) == ["taking", "idle", "taking"]
        # Of some partitions none was due.
        partly = status(NEW, backfills=[backfill(0, "complete")])
        assert await stages(page, None, [partly] * 4) == ["running"] * 3 + ["complete"]
        off = status(NEW, backfills=[backfill(0, "off"), backfill(1, "off")])
        assert await stages(page, None, [off]) == ["due"]


TREE: Final = """async ([seen, others, text]) => {
  const { matching, treeOf } = await import("/page/activate/tree.js");
  const { top, nodes } = treeOf(seen.map((path) => ({ path })), others);
  const plain = ({ name, leaves, children }) => [name, leaves, children.map(plain)];
  const shown = matching(nodes, text);
  return { top: top.map(plain), shown: shown && [...shown].sort() };
}"""


async def test_paths_make_a_tree_that_is_searched_by_any_part_of_them() -> None:
    seen = ["person.name.last", "person.email", "__proto__.constructor", "age"]
    async with page_of(Scripted()) as page:
        found = await page.evaluate(TREE, [seen, ["person.name", "other"], " NAME.l "])
        assert found["top"] == [
            ["__proto__", 1, [["constructor", 0, []]]],
            ["age", 0, []],
            ["other", 0, []],
            ["person", 2, [["email", 0, []], ["name", 1, [["last", 0, []]]]]],
        ]
        assert found["shown"] == ["person", "person.name", "person.name.last"]
        assert (await page.evaluate(TREE, [seen, [], "  "]))["shown"] is None
