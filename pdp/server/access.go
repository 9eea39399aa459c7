package server

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// access says who may call a method. The zero access lets nobody in.
type access struct {
	// open needs no credential; openInDev needs none in development mode.
	open, openInDev bool
	// roles of which a caller needs one.
	roles []identity.Role
	// never are roles that bar a caller, whatever else it has.
	never []identity.Role
}

var (
	machines  = []identity.Role{identity.RoleAgent, identity.RoleGateway}
	everybody = []identity.Role{identity.RoleAgent, identity.RoleGateway, identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin}
	reviewers = []identity.Role{identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin}
	watchmen  = []identity.Role{identity.RoleAdmin, identity.RoleAuditor}
	operators = []identity.Role{identity.RoleAdmin}
)

// accessTable is the whole of authorisation by method. A method that is not here keeps the server from starting.
// That people's methods bar machines is said twice, by the needed role and by `never`: a credential that was given
// both must still not approve what it asked for.
var accessTable = map[string]access{
	"/portcullis.v1.DecisionService/Decide":        {roles: machines},
	"/portcullis.v1.DecisionService/DecideBatch":   {roles: machines},
	"/portcullis.v1.DecisionService/ReportOutcome": {roles: machines},
	"/portcullis.v1.DecisionService/Observe":       {roles: machines},  // the engine says who may observe as the user
	"/portcullis.v1.DecisionService/Delegate":      {roles: machines},  // the engine says whose rights
	"/portcullis.v1.DecisionService/WatchVerdict":  {roles: everybody}, // the handler narrows it to those whom the ask concerns

	"/portcullis.v1.ApprovalService/ListApprovals":  {roles: reviewers, never: machines},
	"/portcullis.v1.ApprovalService/GetApproval":    {roles: reviewers, never: machines},
	"/portcullis.v1.ApprovalService/WatchApprovals": {roles: reviewers, never: machines},
	"/portcullis.v1.ApprovalService/RevealApproval": {roles: []identity.Role{identity.RoleApprover}, never: machines},
	"/portcullis.v1.ApprovalService/CancelApproval": {roles: []identity.Role{identity.RoleApprover, identity.RoleAdmin}, never: machines},
	"/portcullis.v1.ApprovalService/SubmitVerdicts": {roles: []identity.Role{identity.RoleApprover}, never: machines},
	"/portcullis.v1.ApprovalService/SubmitVerdict":  {roles: []identity.Role{identity.RoleApprover}, never: machines},

	"/portcullis.v1.AdminService/GetStatus":        {roles: watchmen, never: machines},
	"/portcullis.v1.AdminService/GetUsage":         {roles: watchmen, never: machines},
	"/portcullis.v1.AdminService/WatchEvents":      {roles: watchmen, never: machines},
	"/portcullis.v1.AdminService/ReloadBundle":     {roles: operators, never: machines},
	"/portcullis.v1.AdminService/RecoverLimits":    {roles: operators, never: machines},
	"/portcullis.v1.AdminService/ResetBreaker":     {roles: operators, never: machines},
	"/portcullis.v1.AdminService/SetKillSwitch":    {roles: operators, never: machines},
	"/portcullis.v1.AdminService/MintDelegation":   {roles: operators, never: machines},
	"/portcullis.v1.AdminService/RevokeDelegation": {roles: operators, never: machines},
	"/portcullis.v1.AdminService/ListMemory":       {roles: watchmen, never: machines},
	"/portcullis.v1.AdminService/QuarantineMemory": {roles: operators, never: machines},
	"/portcullis.v1.AdminService/RollbackMemory":   {roles: operators, never: machines},

	"/grpc.health.v1.Health/Check": {open: true},
	"/grpc.health.v1.Health/List":  {open: true},
	"/grpc.health.v1.Health/Watch": {open: true},

	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      {openInDev: true, roles: everybody},
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {openInDev: true, roles: everybody},
}

// needsCredential is true of a method that is not open to everybody, and of one that is not known.
func needsCredential(method string, dev bool) bool {
	a := accessTable[method]
	return !a.open && (!dev || !a.openInDev)
}

// authorise says whether a caller may call a method.
func authorise(caller identity.Caller, method string, dev bool) error {
	if !needsCredential(method, dev) {
		return nil
	}
	a := accessTable[method]
	if identity.Allowed(caller, a.never...) || !identity.Allowed(caller, a.roles...) {
		return &fault{code: codes.PermissionDenied, reason: "ROLE_NOT_ALLOWED", message: "the credential has no role that may call this method"}
	}
	return nil
}

// checkAccess compares the table with what is registered, both ways.
func checkAccess(registered map[string]grpc.ServiceInfo) error {
	var errs []error
	known := map[string]bool{}
	for service, info := range registered {
		for _, m := range info.Methods {
			name := "/" + service + "/" + m.Name
			known[name] = true
			if _, ok := accessTable[name]; !ok {
				errs = append(errs, fmt.Errorf("%s is in no row of the access table: nobody has said who may call it", name))
			}
		}
	}
	for name := range accessTable {
		if !known[name] {
			errs = append(errs, fmt.Errorf("%s is in the access table, but no service has it", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}
