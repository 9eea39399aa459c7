import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ActionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_KIND_UNSPECIFIED: _ClassVar[ActionKind]
    ACTION_KIND_TOOL_CALL: _ClassVar[ActionKind]
    ACTION_KIND_TOOL_RESULT: _ClassVar[ActionKind]
    ACTION_KIND_MODEL_OUTPUT: _ClassVar[ActionKind]
    ACTION_KIND_MEMORY_WRITE: _ClassVar[ActionKind]
    ACTION_KIND_MEMORY_READ: _ClassVar[ActionKind]
    ACTION_KIND_MEMORY_DELETE: _ClassVar[ActionKind]
    ACTION_KIND_MESSAGE: _ClassVar[ActionKind]
    ACTION_KIND_HTTP_REQUEST: _ClassVar[ActionKind]

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_ALLOW: _ClassVar[Effect]
    EFFECT_DENY: _ClassVar[Effect]
    EFFECT_REQUIRE_APPROVAL: _ClassVar[Effect]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_INFO: _ClassVar[Severity]
    SEVERITY_LOW: _ClassVar[Severity]
    SEVERITY_MEDIUM: _ClassVar[Severity]
    SEVERITY_HIGH: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_UNSPECIFIED: _ClassVar[Origin]
    ORIGIN_USER: _ClassVar[Origin]
    ORIGIN_TRUSTED: _ClassVar[Origin]
    ORIGIN_UNTRUSTED: _ClassVar[Origin]
    ORIGIN_MEMORY: _ClassVar[Origin]
    ORIGIN_AGENT: _ClassVar[Origin]
    ORIGIN_NOWHERE: _ClassVar[Origin]
ACTION_KIND_UNSPECIFIED: ActionKind
ACTION_KIND_TOOL_CALL: ActionKind
ACTION_KIND_TOOL_RESULT: ActionKind
ACTION_KIND_MODEL_OUTPUT: ActionKind
ACTION_KIND_MEMORY_WRITE: ActionKind
ACTION_KIND_MEMORY_READ: ActionKind
ACTION_KIND_MEMORY_DELETE: ActionKind
ACTION_KIND_MESSAGE: ActionKind
ACTION_KIND_HTTP_REQUEST: ActionKind
EFFECT_UNSPECIFIED: Effect
EFFECT_ALLOW: Effect
EFFECT_DENY: Effect
EFFECT_REQUIRE_APPROVAL: Effect
SEVERITY_UNSPECIFIED: Severity
SEVERITY_INFO: Severity
SEVERITY_LOW: Severity
SEVERITY_MEDIUM: Severity
SEVERITY_HIGH: Severity
SEVERITY_CRITICAL: Severity
ORIGIN_UNSPECIFIED: Origin
ORIGIN_USER: Origin
ORIGIN_TRUSTED: Origin
ORIGIN_UNTRUSTED: Origin
ORIGIN_MEMORY: Origin
ORIGIN_AGENT: Origin
ORIGIN_NOWHERE: Origin

class Principal(_message.Message):
    __slots__ = ("tenant", "agent", "session", "run", "user", "delegation")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    DELEGATION_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    session: str
    run: str
    user: str
    delegation: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., session: _Optional[str] = ..., run: _Optional[str] = ..., user: _Optional[str] = ..., delegation: _Optional[_Iterable[str]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("cost_micro_usd", "tokens", "model", "input_tokens", "output_tokens")
    COST_MICRO_USD_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    cost_micro_usd: int
    tokens: int
    model: str
    input_tokens: int
    output_tokens: int
    def __init__(self, cost_micro_usd: _Optional[int] = ..., tokens: _Optional[int] = ..., model: _Optional[str] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class MemoryRef(_message.Message):
    __slots__ = ("layer", "key", "seal")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    layer: str
    key: str
    seal: str
    def __init__(self, layer: _Optional[str] = ..., key: _Optional[str] = ..., seal: _Optional[str] = ...) -> None: ...

class HttpHeader(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class HttpRequest(_message.Message):
    __slots__ = ("method", "url", "headers", "body")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    method: str
    url: str
    headers: _containers.RepeatedCompositeFieldContainer[HttpHeader]
    body: str
    def __init__(self, method: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[HttpHeader, _Mapping]]] = ..., body: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("rule", "category", "severity", "confidence", "pointer", "count", "fingerprint")
    RULE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    POINTER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    rule: str
    category: str
    severity: Severity
    confidence: str
    pointer: str
    count: int
    fingerprint: str
    def __init__(self, rule: _Optional[str] = ..., category: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., confidence: _Optional[str] = ..., pointer: _Optional[str] = ..., count: _Optional[int] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "rule", "message", "severity", "findings")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    code: str
    rule: str
    message: str
    severity: Severity
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, code: _Optional[str] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class ObligationProperty(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Obligation(_message.Message):
    __slots__ = ("id", "type", "properties")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    properties: _containers.RepeatedCompositeFieldContainer[ObligationProperty]
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., properties: _Optional[_Iterable[_Union[ObligationProperty, _Mapping]]] = ...) -> None: ...

class LimitStatus(_message.Message):
    __slots__ = ("name", "scope", "measure", "used", "max", "window_seconds", "resets_at", "exceeded", "on_exceed", "period")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    WINDOW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESETS_AT_FIELD_NUMBER: _ClassVar[int]
    EXCEEDED_FIELD_NUMBER: _ClassVar[int]
    ON_EXCEED_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    name: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    measure: str
    used: int
    max: int
    window_seconds: int
    resets_at: str
    exceeded: bool
    on_exceed: str
    period: str
    def __init__(self, name: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., measure: _Optional[str] = ..., used: _Optional[int] = ..., max: _Optional[int] = ..., window_seconds: _Optional[int] = ..., resets_at: _Optional[str] = ..., exceeded: _Optional[bool] = ..., on_exceed: _Optional[str] = ..., period: _Optional[str] = ...) -> None: ...

class BreakerStatus(_message.Message):
    __slots__ = ("name", "state", "failures", "retry_at", "key")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    RETRY_AT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: str
    failures: int
    retry_at: str
    key: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[str] = ..., failures: _Optional[int] = ..., retry_at: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class DelegatedTool(_message.Message):
    __slots__ = ("tool", "server")
    TOOL_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    tool: str
    server: str
    def __init__(self, tool: _Optional[str] = ..., server: _Optional[str] = ...) -> None: ...

class DelegatedRights(_message.Message):
    __slots__ = ("tools", "max_risk", "max_cost_micro_usd", "session", "user", "not_before", "lifetime_seconds", "depth")
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    MAX_RISK_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_MICRO_USD_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    tools: _containers.RepeatedCompositeFieldContainer[DelegatedTool]
    max_risk: str
    max_cost_micro_usd: int
    session: str
    user: str
    not_before: _timestamp_pb2.Timestamp
    lifetime_seconds: int
    depth: int
    def __init__(self, tools: _Optional[_Iterable[_Union[DelegatedTool, _Mapping]]] = ..., max_risk: _Optional[str] = ..., max_cost_micro_usd: _Optional[int] = ..., session: _Optional[str] = ..., user: _Optional[str] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lifetime_seconds: _Optional[int] = ..., depth: _Optional[int] = ...) -> None: ...
