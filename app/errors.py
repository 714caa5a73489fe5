"""The exceptions of the assistant; `app/error_handlers.py` turns them into responses at the edge.

AssistantError                 500
├── ContentError               500   the corpus does not follow content/README.md
├── IndexUnusable              503   no index can be served
│   ├── IndexMissing                 none was built
│   ├── IndexDamaged                 a file is missing or is not what the manifest says
│   └── IndexOutOfDate               built by another version of this program
├── ModelUnusable              500   the embedding model is missing or not the one expected
├── QuestionsUnusable          500   a file of labelled questions is not of its format
├── AcceptedRunUnusable        500   the evaluation to compare with cannot be read
├── DatabaseUnavailable        503   what is stored cannot be reached now
├── ScenarioNotFound           404
├── CategoryNotFound           422
├── QuestionRejected           422   blank, too long, or too much history
├── TurnRejected               422   what a browser says it kept is no turn of a conversation
├── SlackButtonUnknown         422   a button of a message that this program did not write
├── SlackUnavailable           503   Slack does not take a message now; it can be sent again
└── SlackRefused               502   Slack takes no such message, now or later
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


class QuestionsUnusable(AssistantError):
    title = "Labelled questions unusable"


class AcceptedRunUnusable(AssistantError):
    title = "Accepted run unusable"


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


class SlackButtonUnknown(AssistantError):
    status = 422
    title = "Button unknown"


class SlackUnavailable(AssistantError):
    """`retry_after` is the number of seconds that Slack asks to wait."""

    status = 503
    title = "Slack unavailable"

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SlackRefused(AssistantError):
    status = 502
    title = "Slack refused"
