import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from portcullis.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApprovalState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APPROVAL_STATE_UNSPECIFIED: _ClassVar[ApprovalState]
    APPROVAL_STATE_PENDING: _ClassVar[ApprovalState]
    APPROVAL_STATE_APPROVED: _ClassVar[ApprovalState]
    APPROVAL_STATE_REJECTED: _ClassVar[ApprovalState]
    APPROVAL_STATE_EXPIRED: _ClassVar[ApprovalState]
    APPROVAL_STATE_CANCELLED: _ClassVar[ApprovalState]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_APPROVE: _ClassVar[Verdict]
    VERDICT_REJECT: _ClassVar[Verdict]
APPROVAL_STATE_UNSPECIFIED: ApprovalState
APPROVAL_STATE_PENDING: ApprovalState
APPROVAL_STATE_APPROVED: ApprovalState
APPROVAL_STATE_REJECTED: ApprovalState
APPROVAL_STATE_EXPIRED: ApprovalState
APPROVAL_STATE_CANCELLED: ApprovalState
VERDICT_UNSPECIFIED: Verdict
VERDICT_APPROVE: Verdict
VERDICT_REJECT: Verdict

class Vote(_message.Message):
    __slots__ = ("subject", "verdict", "comment", "at", "applied", "person", "edited_digest", "stages")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    EDITED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    subject: str
    verdict: Verdict
    comment: str
    at: _timestamp_pb2.Timestamp
    applied: bool
    person: str
    edited_digest: str
    stages: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, subject: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., comment: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., applied: _Optional[bool] = ..., person: _Optional[str] = ..., edited_digest: _Optional[str] = ..., stages: _Optional[_Iterable[int]] = ...) -> None: ...

class ApprovalStage(_message.Message):
    __slots__ = ("after_seconds", "quorum", "groups", "roles")
    AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    after_seconds: int
    quorum: int
    groups: _containers.RepeatedScalarFieldContainer[str]
    roles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, after_seconds: _Optional[int] = ..., quorum: _Optional[int] = ..., groups: _Optional[_Iterable[str]] = ..., roles: _Optional[_Iterable[str]] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("id", "state", "principal", "kind", "tool", "server", "action_digest", "bundle_revision", "reasons", "created_at", "expires_at", "ended_at", "quorum", "votes", "sequence", "redeemed_at", "decision_id", "estimate", "redeemed_by", "grant", "joined", "stages", "stage", "edited_digest", "approvals_missing", "withdrawn")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    ACTION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_REVISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_BY_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    EDITED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_MISSING_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: ApprovalState
    principal: _types_pb2.Principal
    kind: _types_pb2.ActionKind
    tool: str
    server: str
    action_digest: str
    bundle_revision: str
    reasons: _containers.RepeatedCompositeFieldContainer[_types_pb2.Reason]
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    quorum: int
    votes: _containers.RepeatedCompositeFieldContainer[Vote]
    sequence: int
    redeemed_at: _timestamp_pb2.Timestamp
    decision_id: str
    estimate: _types_pb2.Usage
    redeemed_by: str
    grant: GrantStatus
    joined: int
    stages: _containers.RepeatedCompositeFieldContainer[ApprovalStage]
    stage: int
    edited_digest: str
    approvals_missing: int
    withdrawn: bool
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[ApprovalState, str]] = ..., principal: _Optional[_Union[_types_pb2.Principal, _Mapping]] = ..., kind: _Optional[_Union[_types_pb2.ActionKind, str]] = ..., tool: _Optional[str] = ..., server: _Optional[str] = ..., action_digest: _Optional[str] = ..., bundle_revision: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_types_pb2.Reason, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quorum: _Optional[int] = ..., votes: _Optional[_Iterable[_Union[Vote, _Mapping]]] = ..., sequence: _Optional[int] = ..., redeemed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decision_id: _Optional[str] = ..., estimate: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., redeemed_by: _Optional[str] = ..., grant: _Optional[_Union[GrantStatus, _Mapping]] = ..., joined: _Optional[int] = ..., stages: _Optional[_Iterable[_Union[ApprovalStage, _Mapping]]] = ..., stage: _Optional[int] = ..., edited_digest: _Optional[str] = ..., approvals_missing: _Optional[int] = ..., withdrawn: _Optional[bool] = ...) -> None: ...

class ReviewView(_message.Message):
    __slots__ = ("action_json", "action_bytes", "truncated", "findings", "offset", "next_offset", "masked", "agent_says", "origins", "session_saw")
    ACTION_JSON_FIELD_NUMBER: _ClassVar[int]
    ACTION_BYTES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    MASKED_FIELD_NUMBER: _ClassVar[int]
    AGENT_SAYS_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    SESSION_SAW_FIELD_NUMBER: _ClassVar[int]
    action_json: str
    action_bytes: int
    truncated: bool
    findings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Finding]
    offset: int
    next_offset: int
    masked: int
    agent_says: str
    origins: _containers.RepeatedCompositeFieldContainer[ValueOrigin]
    session_saw: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, action_json: _Optional[str] = ..., action_bytes: _Optional[int] = ..., truncated: _Optional[bool] = ..., findings: _Optional[_Iterable[_Union[_types_pb2.Finding, _Mapping]]] = ..., offset: _Optional[int] = ..., next_offset: _Optional[int] = ..., masked: _Optional[int] = ..., agent_says: _Optional[str] = ..., origins: _Optional[_Iterable[_Union[ValueOrigin, _Mapping]]] = ..., session_saw: _Optional[_Iterable[str]] = ...) -> None: ...

class ValueOrigin(_message.Message):
    __slots__ = ("pointer", "sink", "origins")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    SINK_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    sink: bool
    origins: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pointer: _Optional[str] = ..., sink: _Optional[bool] = ..., origins: _Optional[_Iterable[str]] = ...) -> None: ...

class ListApprovalsRequest(_message.Message):
    __slots__ = ("states", "agent", "tool", "page_size", "page_token")
    STATES_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[ApprovalState]
    agent: str
    tool: str
    page_size: int
    page_token: str
    def __init__(self, states: _Optional[_Iterable[_Union[ApprovalState, str]]] = ..., agent: _Optional[str] = ..., tool: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListApprovalsResponse(_message.Message):
    __slots__ = ("approvals", "next_page_token")
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    next_page_token: str
    def __init__(self, approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetApprovalRequest(_message.Message):
    __slots__ = ("approval_id", "offset")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    offset: int
    def __init__(self, approval_id: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class GetApprovalResponse(_message.Message):
    __slots__ = ("approval", "view")
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    view: ReviewView
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ..., view: _Optional[_Union[ReviewView, _Mapping]] = ...) -> None: ...

class RevealApprovalRequest(_message.Message):
    __slots__ = ("approval_id", "offset", "reason")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    offset: int
    reason: str
    def __init__(self, approval_id: _Optional[str] = ..., offset: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class RevealApprovalResponse(_message.Message):
    __slots__ = ("view",)
    VIEW_FIELD_NUMBER: _ClassVar[int]
    view: ReviewView
    def __init__(self, view: _Optional[_Union[ReviewView, _Mapping]] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("uses", "seconds", "any_session", "vary")
    USES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ANY_SESSION_FIELD_NUMBER: _ClassVar[int]
    VARY_FIELD_NUMBER: _ClassVar[int]
    uses: int
    seconds: int
    any_session: bool
    vary: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, uses: _Optional[int] = ..., seconds: _Optional[int] = ..., any_session: _Optional[bool] = ..., vary: _Optional[_Iterable[str]] = ...) -> None: ...

class GrantStatus(_message.Message):
    __slots__ = ("uses", "used", "any_session", "vary")
    USES_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    ANY_SESSION_FIELD_NUMBER: _ClassVar[int]
    VARY_FIELD_NUMBER: _ClassVar[int]
    uses: int
    used: int
    any_session: bool
    vary: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, uses: _Optional[int] = ..., used: _Optional[int] = ..., any_session: _Optional[bool] = ..., vary: _Optional[_Iterable[str]] = ...) -> None: ...

class SubmitVerdictRequest(_message.Message):
    __slots__ = ("approval_id", "verdict", "comment", "expected_digest", "grant", "edited_arguments_json", "seen_in_full")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    EDITED_ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    SEEN_IN_FULL_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    verdict: Verdict
    comment: str
    expected_digest: str
    grant: Grant
    edited_arguments_json: str
    seen_in_full: bool
    def __init__(self, approval_id: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., comment: _Optional[str] = ..., expected_digest: _Optional[str] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ..., edited_arguments_json: _Optional[str] = ..., seen_in_full: _Optional[bool] = ...) -> None: ...

class SubmitVerdictResponse(_message.Message):
    __slots__ = ("applied", "approval", "reason", "reasons")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    applied: bool
    approval: Approval
    reason: str
    reasons: _containers.RepeatedCompositeFieldContainer[_types_pb2.Reason]
    def __init__(self, applied: _Optional[bool] = ..., approval: _Optional[_Union[Approval, _Mapping]] = ..., reason: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_types_pb2.Reason, _Mapping]]] = ...) -> None: ...

class SubmitVerdictsRequest(_message.Message):
    __slots__ = ("verdicts",)
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[SubmitVerdictRequest]
    def __init__(self, verdicts: _Optional[_Iterable[_Union[SubmitVerdictRequest, _Mapping]]] = ...) -> None: ...

class VerdictError(_message.Message):
    __slots__ = ("code", "reason", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    reason: str
    message: str
    def __init__(self, code: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class VerdictResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: SubmitVerdictResponse
    error: VerdictError
    def __init__(self, response: _Optional[_Union[SubmitVerdictResponse, _Mapping]] = ..., error: _Optional[_Union[VerdictError, _Mapping]] = ...) -> None: ...

class SubmitVerdictsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[VerdictResult]
    def __init__(self, results: _Optional[_Iterable[_Union[VerdictResult, _Mapping]]] = ...) -> None: ...

class CancelApprovalRequest(_message.Message):
    __slots__ = ("approval_id", "reason")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    reason: str
    def __init__(self, approval_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CancelApprovalResponse(_message.Message):
    __slots__ = ("applied", "approval", "reason")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    applied: bool
    approval: Approval
    reason: str
    def __init__(self, applied: _Optional[bool] = ..., approval: _Optional[_Union[Approval, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class WatchApprovalsRequest(_message.Message):
    __slots__ = ("after_cursor",)
    AFTER_CURSOR_FIELD_NUMBER: _ClassVar[int]
    after_cursor: int
    def __init__(self, after_cursor: _Optional[int] = ...) -> None: ...

class WatchApprovalsResponse(_message.Message):
    __slots__ = ("approval", "cursor", "heartbeat", "draining")
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    cursor: int
    heartbeat: bool
    draining: bool
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ..., cursor: _Optional[int] = ..., heartbeat: _Optional[bool] = ..., draining: _Optional[bool] = ...) -> None: ...
