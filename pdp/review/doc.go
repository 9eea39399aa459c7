// Package review is what a person sees who has to say yes or no: the action itself, a page at a time, with what
// inspection found masked and everything that could deceive a reader spelt out. It is built from the canonical action;
// what the agent says about it stands apart.
package review
