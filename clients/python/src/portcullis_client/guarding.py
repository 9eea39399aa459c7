"""What guards of functions have in common: which arguments a call has, and what became of it."""

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .arguments import ArgumentsError, merged
from .model import Action, Decision, Outcome, Principal, Run
from .protocol import changed, explain

log = logging.getLogger("portcullis_client")

Arguments = Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None


@dataclass(frozen=True)
class Question:
    """What a guard asks, each time that it is entered."""

    tool: str
    arguments: Arguments
    wait: float
    approval_id: str
    request_id: str
    principal: Principal | None
    more: Mapping[str, Any]
    use_effective: bool = False

    def __post_init__(self) -> None:
        Action(self.tool, None, **self.more)  # a misspelt keyword shows now, not at the first call

    def action(self) -> Action:
        """The action as its arguments are at this moment."""
        arguments = self.arguments() if callable(self.arguments) else self.arguments
        return Action(self.tool, arguments, **self.more)

    def about(self, function: Callable[..., Any]) -> Callable[..., "Question"]:
        """The question that a call of the function is."""
        if self.approval_id or self.request_id:
            raise TypeError("an approval or a request id is for one action, and a function may be called again: use `with`")
        named = arguments_of(function, self.arguments)
        return lambda *args, **kwargs: replace(self, arguments=lambda: named(*args, **kwargs))

    def call(self, function: Callable[..., Any]) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
        """How to call the function with what the PDP gives instead of its own arguments."""
        if self.use_effective and self.arguments is not None:
            raise TypeError("with arguments of another naming nobody knows which the PDP gives instead: use `with`")
        signature = inspect.signature(function)

        def instead(run: Run, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if not self.use_effective or run.decision.response is None or not changed(run.decision.response):
                return args, kwargs
            if not run.arguments:
                raise TypeError("the PDP gives something else than arguments instead: use `with`")
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            for name, value in run.arguments.items():
                if name in bound.arguments:
                    bound.arguments[name] = value
                else:  # of those that the function takes by any name
                    next(v for p, v in bound.arguments.items() if signature.parameters[p].kind is inspect.Parameter.VAR_KEYWORD)[name] = value
            return bound.args, bound.kwargs

        return instead

    def run(self, decision: Decision, judged: Action) -> Run:
        """What to carry out on an allow."""
        arguments, content, http = judged.arguments, judged.content, judged.http
        answer = decision.response
        if answer is not None and self.use_effective:
            if answer.effective_arguments_json:
                arguments = merged(judged.arguments, json.loads(answer.effective_arguments_json))
            content = answer.effective_content or content
            http = answer.effective_http if answer.HasField("effective_http") else http
        return Run(decision, arguments=arguments, content=content, http=http)


def arguments_of(function: Callable[..., Any], given: Arguments) -> Callable[..., Mapping[str, Any]]:
    """How to name the arguments of a call: as the caller says, else by the function's own parameters, defaults included."""
    if callable(given):
        return given
    if given is not None:
        raise TypeError("a decorator takes arguments as a function of the call's own, not as a mapping")
    signature = inspect.signature(function)
    variadic = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]

    def named(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        for name in variadic:
            rest = arguments.pop(name)
            if rest.keys() & arguments.keys():
                raise ArgumentsError("two arguments have the same name")
            arguments.update(rest)
        return arguments

    return named


def check_function(function: Callable[..., Any], *, coroutine: bool) -> None:
    """A generator would run after its outcome was reported, and the wrong client would block the loop or never run."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("a generator can't be guarded: it runs when it is read, not when it is called")
    if inspect.iscoroutinefunction(function) != coroutine:
        raise TypeError("guard functions with Client and coroutine functions with AsyncClient")


def outcome_of(error: BaseException | None) -> Outcome:
    """An interruption is no failure: nobody knows how far the action came."""
    if error is None:
        return Outcome.SUCCEEDED
    return Outcome.FAILED if isinstance(error, Exception) else Outcome.UNKNOWN


def unreported(decision_id: str, outcome: Outcome, error: Exception) -> None:
    """Nothing changes for the caller; the action stays charged in full."""
    code, reason = explain(error)
    log.warning("outcome not reported: decision %s, outcome %s, code %s, reason %s", decision_id, outcome.name, code.name, reason)
