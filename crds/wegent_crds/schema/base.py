r"""The base of every model: pydantic validates a body as the API server does.

- Validation is strict: no coercion, no unknown field. The API server does the same under
  ``fieldValidation=Strict``; otherwise it drops unknown fields with a warning.
- **A null property is absent.** No field is ``nullable``, so the API server prunes a null
  property before it applies defaults and validates: an optional field is unset, a field
  with a default gets it, a required field is missing. A null *item* of a list is not
  pruned, and is rejected. A null under an unknown name is an unknown field.
- The length of a string is its number of characters (code points), also on the API
  server, whose message says bytes.

One difference remains: the API server replaces a lone surrogate (``"\ud800"``), which is
not a character, with U+FFFD. The models reject it.
"""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from wegent_crds.schema.extensions import VALIDATIONS, Rule, Transition, model_aliases


class Schema(BaseModel):
    """A frozen JSON object without unknown fields: camelCase in JSON, snake_case in Python."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules over several fields of this object."""
    transitions: ClassVar[tuple[Transition, ...]] = ()
    """Rules over changes of this object."""

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
        """Return the object as JSON values: camelCase names, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _not_nullable(field: JsonSchemaValue) -> JsonSchemaValue:
    """Return the field's schema without pydantic's ``| None`` and generated title."""
    choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "title")}
    if rest.get("default", ...) is None:
        del rest["default"]
    if len(choices) > 1:
        raise TypeError(f"a structural schema has no alternatives: {choices}")
    return {**choices[0], **rest} if choices else rest
