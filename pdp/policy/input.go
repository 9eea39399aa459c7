package policy

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
)

// fieldTerms holds the key term of every field of the input messages: one allocation a field and program.
var fieldTerms = func() map[protoreflect.FullName]*ast.Term {
	terms := map[protoreflect.FullName]*ast.Term{}
	messages := policyv1.File_portcullis_policy_v1_policy_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			terms[fields.Get(j).FullName()] = ast.StringTerm(string(fields.Get(j).Name()))
		}
	}
	return terms
}()

// Input is what a decision looks at. Arguments stay outside the message, because they hold exact numbers, which a
// Struct would round, and because most policies do not read them.
type Input struct {
	*policyv1.Input
	// Arguments is the parsed arguments object with numbers as json.Number, or nil.
	Arguments any
}

// value is what Rego sees. Every field is there, also where it is zero or empty: a policy that compares a missing
// counter would see `undefined` and stay silent. Only `views` is left out when empty, because `findings` stands in
// for it, `review` where nobody is asked or votes, and `action.arguments` where no rule reads it.
func (in Input) value(withArguments bool) (ast.Value, error) {
	v := messageValue(in.ProtoReflect())
	if !withArguments {
		return v, nil
	}
	arguments := in.Arguments
	if arguments == nil {
		arguments = map[string]any{}
	}
	args, err := ast.InterfaceToValue(arguments)
	if err != nil {
		return nil, fmt.Errorf("convert arguments: %w", err)
	}
	action := v.(ast.Object).Get(ast.StringTerm("action"))
	action.Value.(ast.Object).Insert(ast.StringTerm("arguments"), ast.NewTerm(args))
	return v, nil
}

var (
	viewsField     = (&policyv1.Input{}).ProtoReflect().Descriptor().Fields().ByName("views")
	reviewField    = (&policyv1.Input{}).ProtoReflect().Descriptor().Fields().ByName("review")
	argumentsField = (&policyv1.Action{}).ProtoReflect().Descriptor().Fields().ByName("arguments")
)

func messageValue(m protoreflect.Message) ast.Value {
	fields := m.Descriptor().Fields()
	pairs := make([][2]*ast.Term, 0, fields.Len())
	for i := range fields.Len() {
		field := fields.Get(i)
		if field == argumentsField || (field == viewsField || field == reviewField) && !m.Has(field) {
			continue
		}
		pairs = append(pairs, [2]*ast.Term{fieldTerms[field.FullName()], fieldTerm(m, field)})
	}
	return ast.NewObject(pairs...)
}

func fieldTerm(m protoreflect.Message, field protoreflect.FieldDescriptor) *ast.Term {
	if field.IsList() {
		list := m.Get(field).List()
		terms := make([]*ast.Term, list.Len())
		for i := range list.Len() {
			terms[i] = scalarTerm(field, list.Get(i))
		}
		return ast.ArrayTerm(terms...)
	}
	return scalarTerm(field, m.Get(field)) // an unset message gives its empty value, filled in below
}

func scalarTerm(field protoreflect.FieldDescriptor, v protoreflect.Value) *ast.Term {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return ast.NewTerm(messageValue(v.Message()))
	case protoreflect.StringKind:
		return ast.StringTerm(v.String())
	case protoreflect.BoolKind:
		return ast.BooleanTerm(v.Bool())
	default: // the contract has only integers besides
		return ast.NumberTerm(jsonNumber(v.Int()))
	}
}

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
