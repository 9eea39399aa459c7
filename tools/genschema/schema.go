package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// dialect is the draft that OPA's type checker reads.
const dialect = "http://json-schema.org/draft-07/schema#"

// schema is the part of JSON Schema that is needed here. Messages are written out in place: a schema without
// references is one that every reader understands, and OPA names the whole path in its errors.
type schema struct {
	Dialect     string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	MinLength   uint64             `json:"minLength,omitempty"`
	MaxLength   uint64             `json:"maxLength,omitempty"`
	Minimum     *int64             `json:"minimum,omitempty"`
	Maximum     *int64             `json:"maximum,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	MaxItems    uint64             `json:"maxItems,omitempty"`
	MaxProps    uint64             `json:"maxProperties,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	// Additional is false, or the schema of a map's values; absent means that anything goes.
	Additional any      `json:"additionalProperties,omitempty"`
	Required   []string `json:"required,omitempty"`
}

// document is the JSON Schema of a message as a file: sorted, indented, with a final newline.
func document(message protoreflect.MessageDescriptor) ([]byte, error) {
	s, err := ofMessage(message, nil)
	if err != nil {
		return nil, err
	}
	s.Dialect = dialect
	s.Title = string(message.FullName())
	s.Description = "Made by `make generate` from " + message.ParentFile().Path() + ". Do not edit."
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema of %s: %w", message.FullName(), err)
	}
	return append(text, '\n'), nil
}

// ofMessage closes every object: a field that the contract lacks is a type error in the policy that names it.
// path holds the messages around this one, because a schema without references can't recurse.
func ofMessage(message protoreflect.MessageDescriptor, path []protoreflect.FullName) (*schema, error) {
	name := message.FullName()
	if name == "google.protobuf.Struct" {
		return &schema{Type: "object"}, nil
	}
	if name.Parent() == "google.protobuf" {
		return nil, fmt.Errorf("%s has a JSON form of its own that is not supported here", name)
	}
	if slices.Contains(path, name) {
		return nil, fmt.Errorf("%s contains itself", name)
	}
	path = append(slices.Clip(path), name)
	s := &schema{Type: "object", Properties: map[string]*schema{}, Additional: false}
	fields := message.Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.ContainingOneof() != nil {
			return nil, fmt.Errorf("%s is in a oneof, which is not supported here", field.FullName())
		}
		property, required, err := ofField(field, path)
		if err != nil {
			return nil, err
		}
		s.Properties[field.TextName()] = property
		if required {
			s.Required = append(s.Required, field.TextName())
		}
	}
	slices.Sort(s.Required)
	return s, nil
}

// ofField also says whether the field must be there: whether its rules refuse the zero value that stands for an absent one.
func ofField(field protoreflect.FieldDescriptor, path []protoreflect.FullName) (*schema, bool, error) {
	rules := rulesOf(field)
	switch {
	case field.IsMap():
		if field.MapKey().Kind() != protoreflect.StringKind {
			return nil, false, fmt.Errorf("%s: a JSON object's keys are strings", field.FullName())
		}
		value, err := ofKind(field.MapValue(), path)
		if err != nil {
			return nil, false, err
		}
		return &schema{Type: "object", Additional: value, MaxProps: rules.GetMap().GetMaxPairs()}, rules.GetRequired(), nil
	case field.IsList():
		item, err := ofKind(field, path)
		if err != nil {
			return nil, false, err
		}
		return &schema{Type: "array", Items: item, MaxItems: rules.GetRepeated().GetMaxItems()}, rules.GetRequired(), nil
	}
	s, err := ofKind(field, path)
	if err != nil {
		return nil, false, err
	}
	required, err := applyRules(s, rules)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", field.FullName(), err)
	}
	return s, required || rules.GetRequired(), nil
}

func ofKind(field protoreflect.FieldDescriptor, path []protoreflect.FullName) (*schema, error) {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return &schema{Type: "boolean"}, nil
	case protoreflect.StringKind:
		return &schema{Type: "string"}, nil
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return &schema{Type: "integer"}, nil
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return &schema{Type: "number"}, nil
	case protoreflect.MessageKind:
		return ofMessage(field.Message(), path)
	default:
		return nil, fmt.Errorf("%s: %s is not supported here", field.FullName(), field.Kind())
	}
}

func rulesOf(field protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// applyRules carries the protovalidate rules over that JSON Schema can say. max_bytes becomes a bound on characters, which is
// necessary and not sufficient: protovalidate itself stays the judge of bytes.
func applyRules(s *schema, rules *validate.FieldRules) (required bool, err error) {
	if text := rules.GetString(); text != nil {
		s.Enum, s.Pattern, s.MinLength = text.GetIn(), text.GetPattern(), text.GetMinLen()
		s.MaxLength = text.GetMaxLen()
		if s.MaxLength == 0 {
			s.MaxLength = text.GetMaxBytes()
		}
		if s.Pattern != "" {
			pattern, err := regexp.Compile(s.Pattern)
			if err != nil {
				return false, fmt.Errorf("pattern: %w", err)
			}
			required = !pattern.MatchString("")
		}
		return required || s.MinLength > 0 || (len(s.Enum) > 0 && !slices.Contains(s.Enum, "")), nil
	}
	switch {
	case rules.GetInt32() != nil:
		r := rules.GetInt32()
		return bounds(s, r.HasGte(), int64(r.GetGte()), r.HasLte(), int64(r.GetLte())), nil
	case rules.GetInt64() != nil:
		r := rules.GetInt64()
		return bounds(s, r.HasGte(), r.GetGte(), r.HasLte(), r.GetLte()), nil
	}
	return false, nil
}

func bounds(s *schema, hasLow bool, low int64, hasHigh bool, high int64) (required bool) {
	if hasLow {
		s.Minimum = &low
	}
	if hasHigh {
		s.Maximum = &high
	}
	return (hasLow && low > 0) || (hasHigh && high < 0)
}
