package decision

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// statePurpose is what a request's state is sealed for.
const statePurpose = "request-state"

// errState says the same whatever is wrong with a state: who made it up learns nothing.
var errState = &approval.Error{
	Problem: approval.FailedPrecondition, Reason: "REQUEST_STATE_INVALID", Field: "request_state",
	Detail: "was changed, is out of date, or is of another principal, credential or action",
}

// stateOf seals an approval's id to who asked and for what, until the approval runs out. Callers that hand their state
// through a client, as MCP does, need not trust it (threat B19).
func (e *Engine) stateOf(j *judgement, a *approval.Approval) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(a.Expires.Unix()))
	blob, err := e.Keys.Encrypt(statePurpose, j.boundState(), append(plain, a.ID...))
	if err != nil { // the id alone will do
		e.Logger.Error("cannot seal a request's state", "decision_id", j.id, "error", err.Error())
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(blob)
}

// openState reads the id out of a request's state, and puts it where the id would be. With both, they must be the same.
func (e *Engine) openState(j *judgement) error {
	if j.req.RequestState == "" {
		return nil
	}
	blob, err := base64.RawURLEncoding.DecodeString(j.req.RequestState)
	if err != nil {
		return errState
	}
	plain, err := e.Keys.Decrypt(statePurpose, j.boundState(), blob)
	if err != nil || len(plain) <= 8 {
		return errState
	}
	until, id := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0), string(plain[8:])
	if !j.now.Before(until.Add(time.Second)) || j.req.ApprovalID != "" && j.req.ApprovalID != id {
		return errState
	}
	j.req.ApprovalID = id
	return nil
}

// boundState is what a state is sealed to.
func (j *judgement) boundState() []byte {
	p := j.req.Principal
	var bound []byte
	for _, part := range []string{p.Tenant, p.Agent, p.Session, p.User, j.caller.Subject, j.digest} {
		bound = binary.AppendUvarint(bound, uint64(len(part)))
		bound = append(bound, part...)
	}
	return bound
}
