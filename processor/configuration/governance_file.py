"""governance.yaml: labels, policies and consent, in the form of Adobe's Policy Service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, JsonValue, model_validator

from processor.configuration.destination_file import Text
from processor.configuration.located import Form, LocatedFile, Place, parse_yaml, written
from processor.configuration.paths import check_attribute_path
from processor.governance.destination import PLATFORM_NAMESPACE
from processor.governance.document import (
    CORE_MARKETING_ACTIONS,
    ConsentPolicy,
    ConsentRule,
    Governance,
    HasLabel,
    LabelRule,
    Policy,
    ValueIn,
)
from processor.profile.canonical import canonical_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.errors import Problem


class ActionForm(Form):
    """A custom marketing action."""

    name: Text = Field(description="Its name.")
    description: str | None = Field(None, description="What it is for.")


class SegmentLabelsForm(Form):
    """The labels of a segment."""

    id: Text = Field(description="The segment's id.")
    namespace: Text = Field(PLATFORM_NAMESPACE, description="The segment's namespace.")
    labels: list[Text] = Field(description="Its labels.")


class LabelsForm(Form):
    """What bears which labels."""

    fields: dict[Text, list[Text]] = Field(
        default_factory=dict, description="By attribute path; they hold for what is above and below, too."
    )
    identities: dict[Text, list[Text]] = Field(default_factory=dict, description="By identity namespace.")
    segments: list[SegmentLabelsForm] = Field(default_factory=list, description="By segment.")


class DenyForm(Form):
    """A condition on labels: `{label}`, or `{operator, operands}`."""

    label: Text | None = Field(None, description="True where this label is borne.")
    operator: Literal["AND", "OR"] | None = Field(None, description="How the operands are joined.")
    operands: list[DenyForm] | None = Field(None, description="At least one condition.")

    @model_validator(mode="after")
    def _is_one_of_two(self) -> DenyForm:
        _check_condition(
            leaf=self.label is not None, operator=self.operator, operands=self.operands, named="label"
        )
        return self

    def converted(self) -> HasLabel | LabelRule:
        """The condition as a value object."""
        if self.label is not None:
            return HasLabel(self.label)
        return LabelRule(self.operator or "AND", tuple(o.converted() for o in self.operands or ()))


class RequiresForm(Form):
    """A condition on a profile: `{path, in}`, or `{operator, operands}`."""

    path: Text | None = Field(None, description="An attribute's path; it need not be mapped.")
    values: list[JsonValue] | None = Field(None, alias="in", description="The values that give consent.")
    operator: Literal["AND", "OR"] | None = Field(None, description="How the operands are joined.")
    operands: list[RequiresForm] | None = Field(None, description="At least one condition.")

    @model_validator(mode="after")
    def _is_one_of_two(self) -> RequiresForm:
        if (self.path is None) != (self.values is None):
            raise ValueError("path and in go together")
        _check_condition(
            leaf=self.path is not None, operator=self.operator, operands=self.operands, named="path"
        )
        return self

    def converted(self) -> ValueIn | ConsentRule:
        """The condition as a value object."""
        if self.path is not None:
            return ValueIn(self.path, tuple(self.values or ()))
        return ConsentRule(self.operator or "AND", tuple(o.converted() for o in self.operands or ()))


class PolicyForm(Form):
    """A data usage policy."""

    name: Text = Field(description="Its name.")
    description: str | None = Field(None, description="What it is for; it has no effect.")
    status: Literal["ENABLED", "DRAFT", "DISABLED"] = Field(description="Only ENABLED counts.")
    marketing_action_refs: list[Text] = Field(
        description="The actions it is about, by name or by a URI that ends in one."
    )
    deny: DenyForm = Field(description="What may not be exported.")


class ConsentPolicyForm(Form):
    """A consent policy."""

    name: Text = Field(description="Its name.")
    description: str | None = Field(None, description="What it is for; it has no effect.")
    status: Literal["ENABLED", "DRAFT", "DISABLED"] = Field(description="Only ENABLED counts.")
    marketing_action_refs: list[Text] = Field(description="As in a policy.")
    requires: RequiresForm = Field(description="What must be true of a profile.")


class GovernanceForm(Form):
    """The file."""

    enforcement: Literal["filter", "block"] = Field(
        "filter", description="Whether what is forbidden is removed, or keeps the service from starting."
    )
    marketing_actions: list[ActionForm] = Field(default_factory=list, description="Custom marketing actions.")
    labels: LabelsForm = Field(default_factory=LabelsForm, description="What bears which labels.")
    policies: list[PolicyForm] = Field(default_factory=list, description="Data usage policies.")
    consent_policies: list[ConsentPolicyForm] = Field(default_factory=list, description="Consent policies.")


def parse_governance(
    text: str, source: str, environ: Mapping[str, str], problems: list[Problem]
) -> Governance | None:
    """The governance in a file's text; None, with problems added, where there is something wrong with it."""
    file = parse_yaml(text, source, environ)
    form = file.fit(GovernanceForm)
    _check(file)
    problems.extend(file.in_order())
    return None if form is None or file.problems else _converted(file, form)


def _check_condition(*, leaf: bool, operator: object, operands: Sequence[Form] | None, named: str) -> None:
    if leaf == (operator is not None or operands is not None):
        raise ValueError(f"it must have either {named}, or operator and operands")
    if not leaf and (operator is None or not operands):
        raise ValueError("operator goes with operands, of which there is at least one")


def _check(file: LocatedFile) -> None:
    _check_labels(file)
    names: set[str] = set()
    for place in file.places("marketingActions"):
        name = file.text(*place, "name")
        if name in names or name in CORE_MARKETING_ACTIONS:
            file.complain(place, f"{name} exists already", "Choose another name")
        names.update({name} if name else ())
    known = CORE_MARKETING_ACTIONS | names
    _check_policies(file, "policies", known)
    _check_policies(file, "consentPolicies", known)
    for place in file.places("consentPolicies"):
        _check_consent_paths(file, (*place, "requires"))


def _check_labels(file: LocatedFile) -> None:
    seen: set[tuple[str, str]] = set()
    for place in file.places("labels", "segments"):
        id_, namespace = file.text(*place, "id"), file.text(*place, "namespace") or PLATFORM_NAMESPACE
        if id_ is None:
            continue
        if (namespace, id_) in seen:
            file.complain(place, "the segment is given already", "Join the two")
        seen.add((namespace, id_))
    for place in file.places("labels", "fields"):
        check_attribute_path(file, place, str(place[-1]))


def _check_policies(file: LocatedFile, member: str, known: frozenset[str]) -> None:
    seen: set[str] = set()
    for place in file.places(member):
        name = file.text(*place, "name")
        if name in seen:
            file.complain((*place, "name"), f"{name!r} is given already", "Choose another name")
        seen.update({name} if name else ())
        for ref_place, ref in file.texts(*place, "marketingActionRefs"):
            if _action(ref) not in known:
                file.complain(
                    ref_place,
                    f"there is no marketing action {_action(ref)!r}",
                    f"Declare it under marketingActions, or use one of: {', '.join(sorted(known))}",
                )


def _check_consent_paths(file: LocatedFile, place: Place) -> None:
    path = file.text(*place, "path")
    if path is not None:
        check_attribute_path(file, (*place, "path"), path)
    for value_place in file.places(*place, "in"):
        try:
            canonical_tree(file.at(*value_place))
        except ValueError:
            file.complain(
                value_place, "no profile can have this value: a number is beyond a double", "Remove it"
            )
    for operand in file.places(*place, "operands"):
        _check_consent_paths(file, operand)


def _action(ref: str) -> str:
    """The marketing action that a ref names: the last segment of a URI's path, or the name itself."""
    return ref.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]


def _converted(file: LocatedFile, form: GovernanceForm) -> Governance:
    labels = form.labels
    return Governance(
        enforcement=form.enforcement,
        custom_actions=tuple(action.name for action in form.marketing_actions),
        field_labels={path: frozenset(names) for path, names in labels.fields.items()},
        identity_labels={name: frozenset(names) for name, names in labels.identities.items()},
        segment_labels={(s.namespace, s.id): frozenset(s.labels) for s in labels.segments},
        policies=tuple(
            Policy(p.name, p.status, tuple(map(_action, p.marketing_action_refs)), p.deny.converted())
            for p in form.policies
        ),
        consent_policies=tuple(
            ConsentPolicy(
                p.name, p.status, tuple(map(_action, p.marketing_action_refs)), p.requires.converted()
            )
            for p in form.consent_policies
        ),
        source=file.source,
        lines={written(place): file.line(place) or 0 for place in file.lines},
    )
