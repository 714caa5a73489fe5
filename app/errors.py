"""The exceptions of the assistant; `app/error_handlers.py` turns them into responses at the edge.

AssistantError                 500
├── ContentError               500   the corpus does not follow content/README.md
├── IndexUnusable              503   no index can be served
│   ├── IndexMissing                 none was built
│   ├── IndexDamaged                 a file is missing or is not what the manifest says
│   └── IndexOutOfDate               built by another version of this program
├── ModelUnusable              500   the embedding model is missing or not the one expected
├── DatabaseUnavailable        503   what is stored cannot be reached now
├── ScenarioNotFound           404
├── CategoryNotFound           422
├── QuestionRejected           422   blank, too long, or too much history
└── TurnRejected               422   what a browser says it kept is no turn of a conversation
"""

from __future__ import annotations


class AssistantError(Exception):
    """Base of all errors that a user or operator can mend; the message names value and remedy."""

    status = 500
    title = "Internal error"


class SettingsInvalid(AssistantError):
    title = "Settings invalid"


class ContentError(AssistantError):
    title = "Content error"


class IndexUnusable(AssistantError):
    status = 503
    title = "Index unusable"


class IndexMissing(IndexUnusable):
    title = "Index missing"


class IndexDamaged(IndexUnusable):
    title = "Index damaged"


class IndexOutOfDate(IndexUnusable):
    title = "Index out of date"


class ModelUnusable(AssistantError):
    title = "Embedding model unusable"


class DatabaseUnavailable(AssistantError):
    status = 503
    title = "Database unavailable"


class ScenarioNotFound(AssistantError):
    status = 404
    title = "Scenario not found"


class CategoryNotFound(AssistantError):
    status = 422
    title = "Unknown category"


class QuestionRejected(AssistantError):
    status = 422
    title = "Question rejected"


class TurnRejected(AssistantError):
    status = 422
    title = "Conversation not readable"
