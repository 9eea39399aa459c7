import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from portcullis.v1 import approval_pb2 as _approval_pb2
from portcullis.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutcomeStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_STATUS_UNSPECIFIED: _ClassVar[OutcomeStatus]
    OUTCOME_STATUS_SUCCEEDED: _ClassVar[OutcomeStatus]
    OUTCOME_STATUS_FAILED: _ClassVar[OutcomeStatus]
    OUTCOME_STATUS_UNKNOWN: _ClassVar[OutcomeStatus]
OUTCOME_STATUS_UNSPECIFIED: OutcomeStatus
OUTCOME_STATUS_SUCCEEDED: OutcomeStatus
OUTCOME_STATUS_FAILED: OutcomeStatus
OUTCOME_STATUS_UNKNOWN: OutcomeStatus

class Action(_message.Message):
    __slots__ = ("kind", "call_id", "tool", "server", "schema_digest", "arguments", "arguments_json", "content", "estimate", "memory", "in_reply_to", "from_agent", "http")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    IN_REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    FROM_AGENT_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    kind: _types_pb2.ActionKind
    call_id: str
    tool: str
    server: str
    schema_digest: str
    arguments: _struct_pb2.Struct
    arguments_json: str
    content: str
    estimate: _types_pb2.Usage
    memory: _types_pb2.MemoryRef
    in_reply_to: str
    from_agent: str
    http: _types_pb2.HttpRequest
    def __init__(self, kind: _Optional[_Union[_types_pb2.ActionKind, str]] = ..., call_id: _Optional[str] = ..., tool: _Optional[str] = ..., server: _Optional[str] = ..., schema_digest: _Optional[str] = ..., arguments: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., arguments_json: _Optional[str] = ..., content: _Optional[str] = ..., estimate: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., memory: _Optional[_Union[_types_pb2.MemoryRef, _Mapping]] = ..., in_reply_to: _Optional[str] = ..., from_agent: _Optional[str] = ..., http: _Optional[_Union[_types_pb2.HttpRequest, _Mapping]] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("request_id", "principal", "action", "approval_id", "context", "request_state")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_STATE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    principal: _types_pb2.Principal
    action: Action
    approval_id: str
    context: _struct_pb2.Struct
    request_state: str
    def __init__(self, request_id: _Optional[str] = ..., principal: _Optional[_Union[_types_pb2.Principal, _Mapping]] = ..., action: _Optional[_Union[Action, _Mapping]] = ..., approval_id: _Optional[str] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., request_state: _Optional[str] = ...) -> None: ...

class ApprovalTicket(_message.Message):
    __slots__ = ("id", "action_digest", "expires_at", "quorum", "state", "edited_digest", "request_state")
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EDITED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REQUEST_STATE_FIELD_NUMBER: _ClassVar[int]
    id: str
    action_digest: str
    expires_at: _timestamp_pb2.Timestamp
    quorum: int
    state: _approval_pb2.ApprovalState
    edited_digest: str
    request_state: str
    def __init__(self, id: _Optional[str] = ..., action_digest: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quorum: _Optional[int] = ..., state: _Optional[_Union[_approval_pb2.ApprovalState, str]] = ..., edited_digest: _Optional[str] = ..., request_state: _Optional[str] = ...) -> None: ...

class MemoryGrant(_message.Message):
    __slots__ = ("seal", "expires_at", "labels", "sequence", "untrusted")
    SEAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    UNTRUSTED_FIELD_NUMBER: _ClassVar[int]
    seal: str
    expires_at: _timestamp_pb2.Timestamp
    labels: _containers.RepeatedScalarFieldContainer[str]
    sequence: int
    untrusted: bool
    def __init__(self, seal: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ..., sequence: _Optional[int] = ..., untrusted: _Optional[bool] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("decision_id", "effect", "reasons", "obligations", "approval", "limits", "retry_after", "effective_arguments_json", "memory", "degraded", "expires_at", "action_digest", "bundle_revision", "findings", "estimate", "effective_content", "effective_http")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    OBLIGATIONS_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ACTION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_REVISION_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_CONTENT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_HTTP_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    effect: _types_pb2.Effect
    reasons: _containers.RepeatedCompositeFieldContainer[_types_pb2.Reason]
    obligations: _containers.RepeatedCompositeFieldContainer[_types_pb2.Obligation]
    approval: ApprovalTicket
    limits: _containers.RepeatedCompositeFieldContainer[_types_pb2.LimitStatus]
    retry_after: _duration_pb2.Duration
    effective_arguments_json: str
    memory: MemoryGrant
    degraded: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    action_digest: str
    bundle_revision: str
    findings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Finding]
    estimate: _types_pb2.Usage
    effective_content: str
    effective_http: _types_pb2.HttpRequest
    def __init__(self, decision_id: _Optional[str] = ..., effect: _Optional[_Union[_types_pb2.Effect, str]] = ..., reasons: _Optional[_Iterable[_Union[_types_pb2.Reason, _Mapping]]] = ..., obligations: _Optional[_Iterable[_Union[_types_pb2.Obligation, _Mapping]]] = ..., approval: _Optional[_Union[ApprovalTicket, _Mapping]] = ..., limits: _Optional[_Iterable[_Union[_types_pb2.LimitStatus, _Mapping]]] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., effective_arguments_json: _Optional[str] = ..., memory: _Optional[_Union[MemoryGrant, _Mapping]] = ..., degraded: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., action_digest: _Optional[str] = ..., bundle_revision: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[_types_pb2.Finding, _Mapping]]] = ..., estimate: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., effective_content: _Optional[str] = ..., effective_http: _Optional[_Union[_types_pb2.HttpRequest, _Mapping]] = ...) -> None: ...

class DecideBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[DecideRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[DecideRequest, _Mapping]]] = ...) -> None: ...

class BatchError(_message.Message):
    __slots__ = ("code", "reason", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    reason: str
    message: str
    def __init__(self, code: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class BatchResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: DecideResponse
    error: BatchError
    def __init__(self, response: _Optional[_Union[DecideResponse, _Mapping]] = ..., error: _Optional[_Union[BatchError, _Mapping]] = ...) -> None: ...

class DecideBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchResult, _Mapping]]] = ...) -> None: ...

class ReportOutcomeRequest(_message.Message):
    __slots__ = ("decision_id", "status", "actual")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    status: OutcomeStatus
    actual: _types_pb2.Usage
    def __init__(self, decision_id: _Optional[str] = ..., status: _Optional[_Union[OutcomeStatus, str]] = ..., actual: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ...) -> None: ...

class ReportOutcomeResponse(_message.Message):
    __slots__ = ("applied", "charged", "breakers")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    BREAKERS_FIELD_NUMBER: _ClassVar[int]
    applied: bool
    charged: _types_pb2.Usage
    breakers: _containers.RepeatedCompositeFieldContainer[_types_pb2.BreakerStatus]
    def __init__(self, applied: _Optional[bool] = ..., charged: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., breakers: _Optional[_Iterable[_Union[_types_pb2.BreakerStatus, _Mapping]]] = ...) -> None: ...

class ObservedSpan(_message.Message):
    __slots__ = ("origin", "name", "text")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    origin: _types_pb2.Origin
    name: str
    text: str
    def __init__(self, origin: _Optional[_Union[_types_pb2.Origin, str]] = ..., name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ObserveRequest(_message.Message):
    __slots__ = ("principal", "spans", "tools")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    principal: _types_pb2.Principal
    spans: _containers.RepeatedCompositeFieldContainer[ObservedSpan]
    tools: _containers.RepeatedCompositeFieldContainer[ToolDescription]
    def __init__(self, principal: _Optional[_Union[_types_pb2.Principal, _Mapping]] = ..., spans: _Optional[_Iterable[_Union[ObservedSpan, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[ToolDescription, _Mapping]]] = ...) -> None: ...

class ToolDescription(_message.Message):
    __slots__ = ("server", "name", "description", "input_schema_json", "annotations")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    server: str
    name: str
    description: str
    input_schema_json: str
    annotations: ToolAnnotations
    def __init__(self, server: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., input_schema_json: _Optional[str] = ..., annotations: _Optional[_Union[ToolAnnotations, _Mapping]] = ...) -> None: ...

class ToolAnnotations(_message.Message):
    __slots__ = ("read_only_hint", "destructive_hint", "idempotent_hint", "open_world_hint")
    READ_ONLY_HINT_FIELD_NUMBER: _ClassVar[int]
    DESTRUCTIVE_HINT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENT_HINT_FIELD_NUMBER: _ClassVar[int]
    OPEN_WORLD_HINT_FIELD_NUMBER: _ClassVar[int]
    read_only_hint: bool
    destructive_hint: bool
    idempotent_hint: bool
    open_world_hint: bool
    def __init__(self, read_only_hint: _Optional[bool] = ..., destructive_hint: _Optional[bool] = ..., idempotent_hint: _Optional[bool] = ..., open_world_hint: _Optional[bool] = ...) -> None: ...

class ObserveResponse(_message.Message):
    __slots__ = ("whole", "schema_digests")
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    whole: bool
    schema_digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, whole: _Optional[bool] = ..., schema_digests: _Optional[_Iterable[str]] = ...) -> None: ...

class DelegateRequest(_message.Message):
    __slots__ = ("principal", "holder", "rights")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    principal: _types_pb2.Principal
    holder: str
    rights: _types_pb2.DelegatedRights
    def __init__(self, principal: _Optional[_Union[_types_pb2.Principal, _Mapping]] = ..., holder: _Optional[str] = ..., rights: _Optional[_Union[_types_pb2.DelegatedRights, _Mapping]] = ...) -> None: ...

class DelegateResponse(_message.Message):
    __slots__ = ("token", "id", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    id: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., id: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WatchVerdictRequest(_message.Message):
    __slots__ = ("approval_id", "after_sequence")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    after_sequence: int
    def __init__(self, approval_id: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class WatchVerdictResponse(_message.Message):
    __slots__ = ("approval_id", "state", "sequence", "heartbeat", "comment", "expires_at", "approvals_missing", "draining")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_MISSING_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    state: _approval_pb2.ApprovalState
    sequence: int
    heartbeat: bool
    comment: str
    expires_at: _timestamp_pb2.Timestamp
    approvals_missing: int
    draining: bool
    def __init__(self, approval_id: _Optional[str] = ..., state: _Optional[_Union[_approval_pb2.ApprovalState, str]] = ..., sequence: _Optional[int] = ..., heartbeat: _Optional[bool] = ..., comment: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., approvals_missing: _Optional[int] = ..., draining: _Optional[bool] = ...) -> None: ...
