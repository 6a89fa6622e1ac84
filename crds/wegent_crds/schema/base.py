r"""The base of every model: pydantic that judges a body as the API server does.

- Strict: no coercion, no unknown field (the API server under
  ``fieldValidation=Strict``; without it, unknown fields are dropped with a warning).
- **null is absent.** The API server prunes a null property before it defaults and
  validates (no field here is ``nullable``): an optional field is then unset, a field
  with a default has it, a required field is missing. A null *item* of a list stays
  and is refused; a null under an unknown name is an unknown field.
- Strings are counted in characters (code points), on both sides; the API server's
  message says bytes and means characters.

One difference is left alone: a lone surrogate (``"\ud800"``), which is no character,
is replaced with U+FFFD by the API server and refused here.
"""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from wegent_crds.schema.extensions import VALIDATIONS, Rule, Transition, model_aliases


class Schema(BaseModel):
    """A frozen JSON object with a closed set of fields, camelCase outside, snake_case here."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules over more than one field of this object."""
    transitions: ClassVar[tuple[Transition, ...]] = ()
    """Rules over how this object may change."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        known = model_aliases(cls)
        return {key: value for key, value in body.items() if value is not None or key not in known}

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        for rule in self.rules:
            rule.enforce(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(schema)
        json_schema = handler.resolve_ref_schema(reference)
        for name, field in json_schema.get("properties", {}).items():
            json_schema["properties"][name] = _not_nullable(field)
        keywords = [rule.keyword() for rule in cls.rules]
        keywords += [transition.keyword() for transition in cls.transitions]
        if keywords:
            json_schema[VALIDATIONS] = keywords
        return reference

    def body(self) -> dict[str, Any]:
        """Return the object as it goes over the wire: JSON names, no fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _not_nullable(field: JsonSchemaValue) -> JsonSchemaValue:
    """Return a field's schema without pydantic's ``| None`` (null is absent) and guessed title."""
    choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "title")}
    if rest.get("default", ...) is None:
        del rest["default"]
    if len(choices) > 1:
        raise TypeError(f"a structural schema has no alternatives: {choices}")
    return {**choices[0], **rest} if choices else rest
