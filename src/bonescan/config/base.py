"""What every settings node is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A settings node: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def told(self) -> dict[str, Any]:
        """Return, as JSON's types, the kind and what differs from the defaults."""
        plain = self.model_dump(mode="json")
        found = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name == "kind":
                found[name] = value
            elif value != field.get_default(call_default_factory=True):
                found[name] = value.told() if isinstance(value, Frozen) else plain[name]
        return found
