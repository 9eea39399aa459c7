import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from portcullis.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_HEARTBEAT: _ClassVar[EventType]
    EVENT_TYPE_ANOMALY: _ClassVar[EventType]
    EVENT_TYPE_BREAKER: _ClassVar[EventType]
    EVENT_TYPE_BUNDLE: _ClassVar[EventType]
    EVENT_TYPE_VERDICT: _ClassVar[EventType]
    EVENT_TYPE_KILL_SWITCH: _ClassVar[EventType]
    EVENT_TYPE_LEDGER: _ClassVar[EventType]
    EVENT_TYPE_DELEGATION: _ClassVar[EventType]
    EVENT_TYPE_MEMORY: _ClassVar[EventType]
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_HEARTBEAT: EventType
EVENT_TYPE_ANOMALY: EventType
EVENT_TYPE_BREAKER: EventType
EVENT_TYPE_BUNDLE: EventType
EVENT_TYPE_VERDICT: EventType
EVENT_TYPE_KILL_SWITCH: EventType
EVENT_TYPE_LEDGER: EventType
EVENT_TYPE_DELEGATION: EventType
EVENT_TYPE_MEMORY: EventType

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ComponentStatus(_message.Message):
    __slots__ = ("name", "ok", "message", "tolerated")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TOLERATED_FIELD_NUMBER: _ClassVar[int]
    name: str
    ok: bool
    message: str
    tolerated: bool
    def __init__(self, name: _Optional[str] = ..., ok: _Optional[bool] = ..., message: _Optional[str] = ..., tolerated: _Optional[bool] = ...) -> None: ...

class LedgerStatus(_message.Message):
    __slots__ = ("kind", "reachable", "error", "amnesia", "tenants_in_amnesia", "cells", "reservations", "round_trips", "clock_behind")
    KIND_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    AMNESIA_FIELD_NUMBER: _ClassVar[int]
    TENANTS_IN_AMNESIA_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    ROUND_TRIPS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_BEHIND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    reachable: bool
    error: str
    amnesia: bool
    tenants_in_amnesia: int
    cells: int
    reservations: int
    round_trips: int
    clock_behind: _duration_pb2.Duration
    def __init__(self, kind: _Optional[str] = ..., reachable: _Optional[bool] = ..., error: _Optional[str] = ..., amnesia: _Optional[bool] = ..., tenants_in_amnesia: _Optional[int] = ..., cells: _Optional[int] = ..., reservations: _Optional[int] = ..., round_trips: _Optional[int] = ..., clock_behind: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class KillSwitch(_message.Message):
    __slots__ = ("tenant", "agent", "session", "tool", "reason", "set_by", "set_at")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SET_BY_FIELD_NUMBER: _ClassVar[int]
    SET_AT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    session: str
    tool: str
    reason: str
    set_by: str
    set_at: _timestamp_pb2.Timestamp
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., session: _Optional[str] = ..., tool: _Optional[str] = ..., reason: _Optional[str] = ..., set_by: _Optional[str] = ..., set_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("serving", "version", "bundle_revision", "bundle_source", "bundle_loaded_at", "bundle_error", "components", "kill_switches", "breakers", "pending_approvals", "decisions", "log_dropped", "started_at", "ledger")
    SERVING_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_LOADED_AT_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_ERROR_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    KILL_SWITCHES_FIELD_NUMBER: _ClassVar[int]
    BREAKERS_FIELD_NUMBER: _ClassVar[int]
    PENDING_APPROVALS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    LOG_DROPPED_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    serving: bool
    version: str
    bundle_revision: str
    bundle_source: str
    bundle_loaded_at: _timestamp_pb2.Timestamp
    bundle_error: str
    components: _containers.RepeatedCompositeFieldContainer[ComponentStatus]
    kill_switches: _containers.RepeatedCompositeFieldContainer[KillSwitch]
    breakers: _containers.RepeatedCompositeFieldContainer[_types_pb2.BreakerStatus]
    pending_approvals: int
    decisions: int
    log_dropped: int
    started_at: _timestamp_pb2.Timestamp
    ledger: LedgerStatus
    def __init__(self, serving: _Optional[bool] = ..., version: _Optional[str] = ..., bundle_revision: _Optional[str] = ..., bundle_source: _Optional[str] = ..., bundle_loaded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bundle_error: _Optional[str] = ..., components: _Optional[_Iterable[_Union[ComponentStatus, _Mapping]]] = ..., kill_switches: _Optional[_Iterable[_Union[KillSwitch, _Mapping]]] = ..., breakers: _Optional[_Iterable[_Union[_types_pb2.BreakerStatus, _Mapping]]] = ..., pending_approvals: _Optional[int] = ..., decisions: _Optional[int] = ..., log_dropped: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ledger: _Optional[_Union[LedgerStatus, _Mapping]] = ...) -> None: ...

class ReloadBundleRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadBundleResponse(_message.Message):
    __slots__ = ("bundle_revision", "changed")
    BUNDLE_REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    bundle_revision: str
    changed: bool
    def __init__(self, bundle_revision: _Optional[str] = ..., changed: _Optional[bool] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ("tenant", "agent", "session", "limit", "max_rows")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    session: str
    limit: str
    max_rows: int
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., session: _Optional[str] = ..., limit: _Optional[str] = ..., max_rows: _Optional[int] = ...) -> None: ...

class UsageRow(_message.Message):
    __slots__ = ("status", "agent", "user", "session", "tool", "booked", "amnesia")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    AMNESIA_FIELD_NUMBER: _ClassVar[int]
    status: _types_pb2.LimitStatus
    agent: str
    user: str
    session: str
    tool: str
    booked: int
    amnesia: bool
    def __init__(self, status: _Optional[_Union[_types_pb2.LimitStatus, _Mapping]] = ..., agent: _Optional[str] = ..., user: _Optional[str] = ..., session: _Optional[str] = ..., tool: _Optional[str] = ..., booked: _Optional[int] = ..., amnesia: _Optional[bool] = ...) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("rows", "truncated", "amnesia")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    AMNESIA_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[UsageRow]
    truncated: bool
    amnesia: bool
    def __init__(self, rows: _Optional[_Iterable[_Union[UsageRow, _Mapping]]] = ..., truncated: _Optional[bool] = ..., amnesia: _Optional[bool] = ...) -> None: ...

class RecoverLimitsRequest(_message.Message):
    __slots__ = ("tenant",)
    TENANT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    def __init__(self, tenant: _Optional[str] = ...) -> None: ...

class RecoverLimitsResponse(_message.Message):
    __slots__ = ("recovered",)
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    recovered: bool
    def __init__(self, recovered: _Optional[bool] = ...) -> None: ...

class ResetBreakerRequest(_message.Message):
    __slots__ = ("tenant", "agent", "tool")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    tool: str
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., tool: _Optional[str] = ...) -> None: ...

class ResetBreakerResponse(_message.Message):
    __slots__ = ("closed",)
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    closed: int
    def __init__(self, closed: _Optional[int] = ...) -> None: ...

class SetKillSwitchRequest(_message.Message):
    __slots__ = ("tenant", "agent", "session", "tool", "whole_tenant", "enabled", "reason")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    WHOLE_TENANT_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    session: str
    tool: str
    whole_tenant: bool
    enabled: bool
    reason: str
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., session: _Optional[str] = ..., tool: _Optional[str] = ..., whole_tenant: _Optional[bool] = ..., enabled: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class SetKillSwitchResponse(_message.Message):
    __slots__ = ("kill_switches", "approvals_cancelled")
    KILL_SWITCHES_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    kill_switches: _containers.RepeatedCompositeFieldContainer[KillSwitch]
    approvals_cancelled: int
    def __init__(self, kill_switches: _Optional[_Iterable[_Union[KillSwitch, _Mapping]]] = ..., approvals_cancelled: _Optional[int] = ...) -> None: ...

class MintDelegationRequest(_message.Message):
    __slots__ = ("tenant", "issuer", "holder", "rights")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    issuer: str
    holder: str
    rights: _types_pb2.DelegatedRights
    def __init__(self, tenant: _Optional[str] = ..., issuer: _Optional[str] = ..., holder: _Optional[str] = ..., rights: _Optional[_Union[_types_pb2.DelegatedRights, _Mapping]] = ...) -> None: ...

class MintDelegationResponse(_message.Message):
    __slots__ = ("token", "id", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    id: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., id: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RevokeDelegationRequest(_message.Message):
    __slots__ = ("tenant", "id", "reason")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    id: str
    reason: str
    def __init__(self, tenant: _Optional[str] = ..., id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeDelegationResponse(_message.Message):
    __slots__ = ("revoked",)
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    revoked: bool
    def __init__(self, revoked: _Optional[bool] = ...) -> None: ...

class ListMemoryRequest(_message.Message):
    __slots__ = ("tenant", "agent", "layer", "max_items")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    layer: str
    max_items: int
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., layer: _Optional[str] = ..., max_items: _Optional[int] = ...) -> None: ...

class MemoryVersion(_message.Message):
    __slots__ = ("sequence", "at", "expires_at", "digest", "bytes", "labels", "untrusted", "quarantined", "deletion", "current")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    UNTRUSTED_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    DELETION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    digest: str
    bytes: int
    labels: _containers.RepeatedScalarFieldContainer[str]
    untrusted: bool
    quarantined: bool
    deletion: bool
    current: bool
    def __init__(self, sequence: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., digest: _Optional[str] = ..., bytes: _Optional[int] = ..., labels: _Optional[_Iterable[str]] = ..., untrusted: _Optional[bool] = ..., quarantined: _Optional[bool] = ..., deletion: _Optional[bool] = ..., current: _Optional[bool] = ...) -> None: ...

class MemoryItem(_message.Message):
    __slots__ = ("layer", "key", "versions")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    layer: str
    key: str
    versions: _containers.RepeatedCompositeFieldContainer[MemoryVersion]
    def __init__(self, layer: _Optional[str] = ..., key: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[MemoryVersion, _Mapping]]] = ...) -> None: ...

class MemoryUsage(_message.Message):
    __slots__ = ("items", "bytes")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    items: int
    bytes: int
    def __init__(self, items: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class ListMemoryResponse(_message.Message):
    __slots__ = ("items", "truncated", "sequence", "all", "untrusted")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    UNTRUSTED_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MemoryItem]
    truncated: bool
    sequence: int
    all: MemoryUsage
    untrusted: MemoryUsage
    def __init__(self, items: _Optional[_Iterable[_Union[MemoryItem, _Mapping]]] = ..., truncated: _Optional[bool] = ..., sequence: _Optional[int] = ..., all: _Optional[_Union[MemoryUsage, _Mapping]] = ..., untrusted: _Optional[_Union[MemoryUsage, _Mapping]] = ...) -> None: ...

class QuarantineMemoryRequest(_message.Message):
    __slots__ = ("tenant", "agent", "since_sequence", "since_time", "untrusted_only", "release", "reason")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNTRUSTED_ONLY_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    since_sequence: int
    since_time: _timestamp_pb2.Timestamp
    untrusted_only: bool
    release: bool
    reason: str
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., since_sequence: _Optional[int] = ..., since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., untrusted_only: _Optional[bool] = ..., release: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class QuarantineMemoryResponse(_message.Message):
    __slots__ = ("versions", "items")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    versions: int
    items: int
    def __init__(self, versions: _Optional[int] = ..., items: _Optional[int] = ...) -> None: ...

class RollbackMemoryRequest(_message.Message):
    __slots__ = ("tenant", "agent", "since_sequence", "since_time", "reason")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    agent: str
    since_sequence: int
    since_time: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, tenant: _Optional[str] = ..., agent: _Optional[str] = ..., since_sequence: _Optional[int] = ..., since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class RollbackMemoryResponse(_message.Message):
    __slots__ = ("items", "rolled_back", "without_good")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_GOOD_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[MemoryItem]
    rolled_back: int
    without_good: int
    def __init__(self, items: _Optional[_Iterable[_Union[MemoryItem, _Mapping]]] = ..., rolled_back: _Optional[int] = ..., without_good: _Optional[int] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("type", "at", "sequence", "message", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    type: EventType
    at: _timestamp_pb2.Timestamp
    sequence: int
    message: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, type: _Optional[_Union[EventType, str]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ..., message: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...
