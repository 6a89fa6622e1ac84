"""``run``, ``logs``, ``answer`` and ``cancel``: Tasks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from wegent_cli.call import Call, Output, command
from wegent_cli.completion import complete_task, complete_team
from wegent_cli.conversation import DecisionName
from wegent_cli.documents import json_text, show
from wegent_cli.errors import CliError, ExitCode, described, usage
from wegent_cli.present import Viewer, failure_of, show_question, usage_line
from wegent_cli.run_text import End
from wegent_cli.terminal import Style, read_stdin
from wegent_crds.registry import GROUP, TASK

PROMPT_MAX_BYTES: Final = 1 << 20

TaskName = Annotated[
    str,
    typer.Argument(help="Name of the Task.", metavar="TASK", autocompletion=complete_task),
]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    command(
        app,
        "run",
        examples=(
            'wegent run assistant "Say hello." --follow',
            "git diff | wegent run reviewers - --wait",
            'wegent run reviewer "Review main.py." --bot -o json --wait',
        ),
    )(run)
    command(app, "logs", examples=("wegent logs hello", "wegent logs -f hello"))(logs)
    command(
        app,
        "answer",
        examples=(
            "wegent answer tidy-up",
            "wegent answer tidy-up --approve",
            'wegent answer tidy-up mcpr_1_2 --deny --text "Keep the logs."',
            'wegent answer tidy-up --reply "Use staging."',
        ),
    )(answer)
    command(app, "cancel", examples=("wegent cancel hello",))(cancel)


def work_of(name: str, *, is_bot: bool) -> dict[str, Any]:
    """Return the reference to a Team or a Bot as fields of a Task's spec.

    ``namespace/name`` refers to another namespace.
    """
    namespace, slash, alone = name.rpartition("/")
    reference = {"name": alone, **({"namespace": namespace} if slash else {})}
    return {"botRef" if is_bot else "teamRef": reference}


def create_task(
    call: Call, worker: Mapping[str, Any], spec: Mapping[str, Any], name: str | None = None
) -> tuple[str, str]:
    """Create a Task, and return its name and namespace.

    Args:
        call: the call.
        worker: the reference to the Team or the Bot, as `work_of` returns it.
        spec: the other fields of the spec.
        name: name of the Task; a random one if left out.

    Raises:
        CliError: the Team or the Bot does not exist.
    """
    from wegent_sdk import Invalid  # noqa: PLC0415

    [(field, reference)] = worker.items()
    kind = field.removesuffix("Ref")
    try:
        task = call.client.tasks.run(
            f"{kind}/{reference['name']}",
            spec["prompt"],
            namespace=call.default_namespace,
            name=name,
            spec={**worker, **spec},
        )
    except Invalid as error:
        for cause in error.causes:
            if (cause.reason, cause.field) == ("FieldValueNotFound", f"spec.{field}"):
                absent = cause.message.partition(";")[0]
                remedy = f"`wegent get {kind}s` lists those that there are"
                raise CliError(absent, remedy, ExitCode.NOT_FOUND) from error
        raise
    return str(task.metadata.name), str(task.metadata.namespace)


def run(  # noqa: PLR0913 - the fields of a Task
    call: Call,
    team: Annotated[
        str,
        typer.Argument(
            help="Name of the Team, or NAMESPACE/NAME.",
            metavar="TEAM",
            autocompletion=complete_team,
        ),
    ],
    prompt: Annotated[str, typer.Argument(help="The work, or - for stdin.", metavar="PROMPT")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the answer as it is written.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for the end, and print the result.")
    ] = False,
    bot: Annotated[bool, typer.Option("--bot", help="TEAM is the name of a Bot.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Name of the new Task.")] = None,
    previous: Annotated[
        str | None,
        typer.Option("--continue", help="Continue the conversation of a Task.", metavar="TASK"),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model for all Bots of the Task.")
    ] = None,
    timeout: Annotated[
        int | None, typer.Option("--timeout", help="Seconds after which the work fails.")
    ] = None,
    ttl: Annotated[
        int | None, typer.Option("--ttl", help="Seconds after its end until it is deleted.")
    ] = None,
) -> None:
    """Give a Team a Task.

    Without --follow and --wait, prints the Task's name. With both of them or with --follow, the
    answer is shown as it is written; in a pipe, it is written whole at the end. With `-o json`,
    --follow prints one event a line, and --wait the Task. Ctrl-C leaves, and the Task goes on.
    """
    text = read_stdin("prompt", PROMPT_MAX_BYTES) if prompt == "-" else prompt
    if not text.strip():
        raise usage("the prompt is empty", 'for example: wegent run assistant "Say hello."')
    further = {
        "prompt": text,
        "previousTaskRef": {"name": previous} if previous else None,
        "modelRef": {"name": model} if model else None,
        "timeoutSeconds": timeout,
        "ttlSecondsAfterFinished": ttl,
    }
    spec = {key: value for key, value in further.items() if value is not None}
    made, namespace = create_task(call, work_of(team, is_bot=bot), spec, name)
    if not follow and not wait:
        if call.output is Output.TABLE:
            call.terminal.line(f"{TASK.singular}.{GROUP}/{made} created")
            call.terminal.note(f"follow it with: wegent logs -f {made}{_where(call, namespace)}")
        else:
            show(call, call.client.raw.get(TASK.plural, made, namespace), lambda: None)
        return
    call.terminal.note(f"Task {made}", Style.FAINT)
    try:
        if follow:
            _follow(call, made, namespace)
        else:
            _wait(call, made, namespace)
    except KeyboardInterrupt:
        where = _where(call, namespace)
        call.terminal.note("")
        call.terminal.note(f"The Task continues. Follow it: wegent logs -f {made}{where}")
        call.terminal.note(f"Stop it: wegent cancel {made}{where}")
        raise


def _where(call: Call, namespace: str) -> str:
    return f" -n {namespace}" if call.namespace else ""


def _follow(call: Call, name: str, namespace: str | None) -> None:
    """Show a run until its end.

    Raises:
        CliError: the Task failed, was cancelled, or can't be followed.
    """
    if call.context.kubeconfig:
        call.terminal.note("A kubeconfig has no stream of the answer; waiting for the result.")
        _wait(call, name, namespace)
        return
    if call.output in {Output.JSON, Output.YAML}:
        end = _follow_as_json(call, name, namespace)
    else:
        viewer = Viewer(call.terminal, name)
        for event in events_of(call, name, namespace, viewer.interrupted):
            viewer.take(event.type, event.data)
        end = viewer.end
    _finish(call, name, end)


def events_of(
    call: Call, name: str, namespace: str | None, tell: Callable[[str], None]
) -> Iterator[Any]:
    """Yield the events of a run, and go on after a lost connection.

    ``tell`` is called with each fault once until the next event, however many tries it takes.
    """
    told: set[str] = set()

    def lost(error: Exception, _: float) -> None:
        known = described(error)
        fault = known.message if known else str(error)
        if fault not in told:
            told.add(fault)
            tell(f"{fault}; trying again")

    for event in call.client.tasks.events(name, namespace, on_cut=lost):
        told.clear()
        yield event


def _follow_as_json(call: Call, name: str, namespace: str | None) -> End | None:

    def tell(text: str) -> None:
        call.terminal.note(text, Style.CAUTION)

    for event in events_of(call, name, namespace, tell):
        line = {"id": event.id, "event": event.type, "data": event.data}
        call.terminal.write(json_text(line, indent=None) + "\n")
        if event.type == "run.ended":
            message = str(event.data.get("message") or "")
            return End(str(event.data.get("phase", "")), message)
    return None


def _finish(call: Call, name: str, end: End | None) -> None:
    if end is None:
        raise CliError(
            f"the events of the Task {name} ended before the Task",
            f"look at the Task: wegent get task {name}",
            ExitCode.UNREACHABLE,
        )
    if failure := failure_of(name, end):
        raise failure
    if words := usage_line(end):
        call.terminal.note(f"Task {name} completed: {words}", Style.FAINT)


def _wait(call: Call, name: str, namespace: str | None) -> None:
    call.client.tasks.wait(name, namespace)
    task = call.client.raw.get(TASK.plural, name, namespace)
    status = task.get("status") or {}

    def human() -> None:
        if status.get("result"):
            call.terminal.line(status["result"])

    show(call, task, human)
    message = status.get("message") or ""
    if failure := failure_of(name, End(status.get("phase", ""), message)):
        raise failure


def logs(
    call: Call,
    task: TaskName,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the answer until the Task ends.")
    ] = False,
) -> None:
    """Show the answer of a Task, with its calls of tools.

    The exit status is 1 with --follow if the Task failed.
    """
    if follow:
        _follow(call, task, call.default_namespace)
        return
    if call.context.kubeconfig:
        body = call.client.raw.get(TASK.plural, task, call.default_namespace)
        result = (body.get("status") or {}).get("result") or ""
        show(call, body, lambda: call.terminal.line(result) if result else None)
        return
    transcript = call.client.tasks.transcript(task, call.default_namespace)
    show(call, transcript, lambda: _print_transcript(call, task, transcript))


def _print_transcript(call: Call, name: str, transcript: Mapping[str, Any]) -> None:
    viewer = Viewer(call.terminal, name, live=True)
    for number, item in enumerate(transcript.get("items") or ()):
        if item.get("role") == "user":  # the prompt
            continue
        viewer.take("response.output_item.added", {"item": item})
        for part in item.get("content") or ():
            data = {"delta": part.get("text", ""), "item_id": item.get("id")}
            viewer.take("response.output_text.delta", {**data, "sequence_number": number})
        viewer.take("response.output_item.done", {"item": item})
    viewer.finish_line()


def answer(
    call: Call,
    task: TaskName,
    question: Annotated[
        str | None, typer.Argument(help="Id of the question, if there are several.", metavar="[ID]")
    ] = None,
    *,
    approve: Annotated[bool, typer.Option("--approve", help="Permit it.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Refuse it.")] = False,
    reply: Annotated[str | None, typer.Option("--reply", help="Answer with a text.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Reason, with --approve or --deny.")
    ] = None,
) -> None:
    """Answer a question of a Task that waits. Without a decision, show its questions."""
    body = call.client.raw.get(TASK.plural, task, call.default_namespace)
    questions = open_questions(body)
    chosen = [bool(approve), bool(deny), reply is not None]
    if not any(chosen):
        show(call, {"items": questions}, lambda: _print_questions(call, task, questions))
        return
    if sum(chosen) > 1:
        raise usage("--approve, --deny and --reply exclude each other")
    if reply is not None and text is not None:
        raise usage("--text goes with --approve or --deny", "--reply has the text itself")
    if question is None:
        if len(questions) != 1:
            ids = ", ".join(str(it["id"]) for it in questions)
            fault = f"the Task {task} has {len(questions)} open questions"
            raise usage(fault, f"name one: {ids}" if ids else f"wegent get task {task}")
        question = str(questions[0]["id"])
    decision: DecisionName = "reply" if reply is not None else "approve" if approve else "deny"
    call.client.tasks.answer(
        task,
        question,
        decision,
        reply if reply is not None else text,
        namespace=call.default_namespace,
    )
    call.terminal.note(f"Answered question {question} of the Task {task}: {decision}.", Style.GOOD)


def open_questions(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the questions of a Task that have no answer."""
    status = task.get("status") or {}
    if status.get("phase") != "Waiting":
        return []
    answered = {it.get("id") for it in (task.get("spec") or {}).get("answers") or ()}
    return [it for it in status.get("waitingFor") or () if it.get("id") not in answered]


def _print_questions(call: Call, task: str, questions: list[dict[str, Any]]) -> None:
    if not questions:
        call.terminal.note(f"The Task {task} has no open question.")
    for question in questions:
        show_question(call.terminal, question, task)


def cancel(call: Call, task: TaskName) -> None:
    """Cancel a Task. The text so far stays in its transcript."""
    call.client.tasks.cancel(task, call.default_namespace)
    call.terminal.note(f"Asked to cancel the Task {task}.")
