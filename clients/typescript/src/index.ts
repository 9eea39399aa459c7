// The TypeScript client of the Portcullis policy decision point. It asks before an agent acts, runs the action only if the answer is
// an allow, waits for a person's verdict where one is needed, and reports what became of it. It owns no policy: whatever it does not
// understand, does not hear in time, or hears too late is a deny. It never logs or prints arguments or the credential.

export { ArgumentsError, type Arguments, type Json } from "./arguments.js";
export { Client, type ClientOptions, type DecideOptions, type GuardOptions, type RunOptions } from "./client.js";
export type { ConnectionOptions, Tls } from "./connection.js";
export type { DecideResponse } from "./gen/portcullis/v1/decision_pb.js";
export type { Obligation } from "./gen/portcullis/v1/types_pb.js";
export {
  ApprovalRequired,
  Decision,
  Denied,
  type Action,
  type Effect,
  type Kind,
  type Outcome,
  type Principal,
  type Reason,
  type Run,
  type State,
  type Usage,
  type Verdict,
} from "./model.js";
