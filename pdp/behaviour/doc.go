// Package behaviour says how unlike an agent's usual calls a call is: which tool follows which, how large, how soon, and with what
// sinks. It keeps decayed counts in tables of a fixed size, one for each agent and one for each tenant's fleet, and no text.
//
// It is a statistic and never a proof. An agent that was taught bad habits finds them usual, so that nothing may be allowed because
// it is usual: pdp/decision hands the surprise to policy, and policy may only become stricter for it. The counts are in memory: a
// restart forgets them, and until enough is known again the answer is that nothing is.
package behaviour
