"""What all documents have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

#: For examples.
TIME = "2026-11-23T08:30:00Z"


class Document(BaseModel):
    """A document of the API: every field is there, in this order."""

    model_config = ConfigDict(use_attribute_docstrings=True)
