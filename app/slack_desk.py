"""What is done with each request from Slack: the question is answered, the button does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from app.assistant import Answer, Assistant, Verdict
from app.errors import QuestionRejected, ScenarioNotFound, SlackButtonUnknown
from app.journal import Journal
from app.published import PublishedScenario
from app.settings import Settings
from app.slack_blocks import Message, MessageWriter, Reply
from app.slack_client import SlackClient
from app.slack_inbox import Run
from app.slack_kit import section
from app.slack_mrkdwn import plain
from app.slack_requests import Kind, SlackRequest
from app.slack_store import InboxStore
from app.slack_threads import Threads

THANKS = "Thanks, that helps."
TOLD = "Thanks, the maintainers will see that this had no answer."
HOW_TO_ASK = "Describe the problem in a sentence, or paste the error: for example “{}”."
APOLOGY = "Sorry, something failed here and this stays without an answer. Please try again later."
MAX_TITLE_CHARS = 200
# A title is not escaped, and nobody says that Slack finds no mention in it.
HARMLESS = str.maketrans("<>", "‹›")
# Slack shows no more.
PROMPTS = 4


# Sends what a request calls for; may be called again after SlackUnavailable or DatabaseUnavailable.
Send = Callable[[], Awaitable[None]]


class Desk:
    """Finds out what to say and records it, once for each request; sending is left to the caller."""

    def __init__(
        self,
        assistant: Assistant,
        journal: Journal,
        settings: Settings,
        client: SlackClient,
        threads: Threads,
        store: InboxStore,
        run: Run,
    ) -> None:
        self._assistant = assistant
        self._journal = journal
        self._max_chars = settings.max_question_chars
        self._client = client
        self._threads = threads
        self._store = store
        self._run = run
        address = str(settings.public_url).rstrip("/") if settings.public_url else ""
        self._writer = MessageWriter(assistant.scenarios, address)

    async def take(self, request: SlackRequest) -> Send | None:
        """What to send for the request, if anything."""
        match request.kind:
            case Kind.MENTION | Kind.DIRECT | Kind.FOLLOW_UP:
                return await self._answer_in_thread(request)
            case Kind.COMMAND | Kind.SHORTCUT:
                return await self._answer_privately(request)
            case Kind.CLICK:
                return self._click(request)
            case Kind.OPENED:
                prompts = [(example.title, example.asked_as[0]) for example in self._examples()]
                return partial(self._client.suggest, request.channel, prompts)
            case Kind.UNINSTALLED:
                return partial(self._forget, request.workspace)

    async def apologise(self, request: SlackRequest) -> None:
        """Where the answer was expected."""
        await self._say(request, _notice(APOLOGY))

    async def _answer_in_thread(self, request: SlackRequest) -> Send | None:
        history = await self._threads.earlier(request)
        await self._show_status(request, "processing")
        answer = await self._answer(request, history)
        if isinstance(answer, Message):
            return partial(self._say, request, answer)
        # People among themselves are not interrupted to be told that there is nothing to say.
        if request.kind is Kind.FOLLOW_UP and answer.verdict is Verdict.NO_ANSWER:
            return None
        self._record(answer, request, follow_up=bool(history))
        await self._threads.add(request, answer.question)
        return partial(self._say, request, self._writer.message(Reply.from_answer(answer)))

    async def _answer_privately(self, request: SlackRequest) -> Send:
        answer = await self._answer(request, ())
        if isinstance(answer, Message):
            return partial(self._say, request, answer)
        self._record(answer, request)
        return partial(self._say, request, self._writer.message(Reply.from_answer(answer, is_private=True)))

    async def _answer(self, request: SlackRequest, history: Sequence[str]) -> Answer | Message:
        """The answer, or what to say if there is no question to answer."""
        if not request.text:
            return _notice(HOW_TO_ASK.format(self._examples()[0].asked_as[0]))
        earlier = [text[: self._max_chars] for text in history]
        try:
            return await asyncio.to_thread(self._assistant.ask, request.text, earlier)
        except QuestionRejected as error:
            return _notice(str(error))

    def _record(self, answer: Answer, request: SlackRequest, *, follow_up: bool = False) -> None:
        self._journal.record_answer(
            answer, surface="slack", follow_up=follow_up, workspace=request.workspace or None
        )

    def _click(self, request: SlackRequest) -> Send | None:
        action, _, number = request.action.partition(":")
        try:
            reply = Reply.from_button(request.value, self._assistant.scenarios)
            match action:
                case "helpful" | "not_helpful" | "missing":
                    self._journal.record_feedback(reply.answer_id, helpful=action == "helpful")
                    thanks = TOLD if action == "missing" else THANKS
                    return partial(self._replace, request, replace(reply, thanks=thanks))
                case "choose":
                    chosen = self._assistant.scenario(int(number)).id
                    self._journal.record_choice(reply.answer_id, chosen)
                    return partial(self._replace, request, reply.with_choice(chosen))
                case "share":
                    return partial(self._share, request, reply)
                case "rest":
                    return partial(self._say, request, *self._writer.rest(reply))
        except (SlackButtonUnknown, ScenarioNotFound) as error:
            return partial(self._say, request, _notice(str(error)))
        return None  # a link, which Slack tells of all the same

    async def _replace(self, request: SlackRequest, reply: Reply) -> None:
        message = self._writer.message(reply)
        await self._client.respond(request.response_url, message, replace_original=True)

    async def _share(self, request: SlackRequest, reply: Reply) -> None:
        message = self._writer.shared(reply, request.person_name)
        await self._client.respond(
            request.response_url, message, response_type="in_channel", replace_original=False
        )

    async def _forget(self, workspace: str) -> None:
        self._threads.forget(workspace)
        await self._run(self._store.forget, workspace)

    async def _show_status(self, request: SlackRequest, status: str) -> None:
        """Busy or not, under the question as title; not where nobody may have asked."""
        title = " ".join(request.text.split()).translate(HARMLESS)[:MAX_TITLE_CHARS]
        if request.kind in {Kind.MENTION, Kind.DIRECT} and title:
            await self._client.set_session(request.channel, request.thread, status, title)

    async def _say(self, request: SlackRequest, *messages: Message) -> None:
        """In the thread, or to the one who pressed or typed something, for their eyes only."""
        for message in messages:
            if request.response_url:
                await self._client.respond(
                    request.response_url, message, response_type="ephemeral", replace_original=False
                )
            elif request.thread:
                await self._client.post(request.channel, request.thread, message)
        await self._show_status(request, "active")

    def _examples(self) -> list[PublishedScenario]:
        """A few scenarios from all over."""
        every = list(self._assistant.scenarios.values())
        return every[:: max(1, len(every) // PROMPTS)][:PROMPTS]


def _notice(text: str) -> Message:
    return Message(plain(text), [section(plain(text))])
