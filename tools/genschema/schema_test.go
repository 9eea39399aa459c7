package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
)

func committed(name string) string { return filepath.Join("..", "..", "gen", "schema", name) }

func TestCommittedSchemasAreCurrent(t *testing.T) {
	temp := t.TempDir()
	if err := write(temp); err != nil {
		t.Fatal(err)
	}
	for name := range schemas {
		want, err := os.ReadFile(filepath.Join(temp, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(committed(name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("gen/schema/%s is not what the contract says: run `make generate`", name)
		}
	}
}

// Every object is closed, but for the free one, the arguments. A schema that lets unknown fields through checks nothing.
func TestEveryObjectIsClosed(t *testing.T) {
	for name := range schemas {
		text, err := os.ReadFile(committed(name))
		if err != nil {
			t.Fatal(err)
		}
		var root map[string]any
		if err := json.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		open := openObjects("", root)
		want := ""
		if name == "input.json" {
			want = ".action.arguments"
		}
		if got := strings.Join(open, " "); got != want {
			t.Errorf("%s: open objects are %q, want %q", name, got, want)
		}
	}
}

func openObjects(path string, node map[string]any) []string {
	var open []string
	if _, closed := node["additionalProperties"]; node["type"] == "object" && !closed {
		open = append(open, path)
	}
	properties, _ := node["properties"].(map[string]any)
	for name, child := range properties {
		open = append(open, openObjects(path+"."+name, child.(map[string]any))...)
	}
	if items, ok := node["items"].(map[string]any); ok {
		open = append(open, openObjects(path+"[]", items)...)
	}
	return open
}

// The rules that the contract puts on a decision arrive in its schema.
func TestDecisionSchemaCarriesTheRules(t *testing.T) {
	root, err := ofMessage(schemas["decision.json"], nil)
	if err != nil {
		t.Fatal(err)
	}
	reason := root.Properties["reasons"].Items
	ask := root.Properties["approval"]
	obligation := root.Properties["obligations"].Items
	for _, tc := range []struct {
		name      string
		got, want any
	}{
		{"effects", strings.Join(root.Properties["effect"].Enum, " "), "allow deny require_approval"},
		{"required", strings.Join(root.Required, " "), "effect"},
		{"reasons bounded", root.Properties["reasons"].MaxItems, uint64(200)},
		{"reason required", strings.Join(reason.Required, " "), "code effect message rule severity"},
		{"code pattern", reason.Properties["code"].Pattern, "^[A-Z][A-Z0-9_]{1,63}$"},
		{"message length", reason.Properties["message"].MaxLength, uint64(500)},
		{"ttl from", *ask.Properties["ttl_seconds"].Minimum, int64(1)},
		{"ttl to", *ask.Properties["ttl_seconds"].Maximum, int64(86400)},
		{"quorum to", *ask.Properties["quorum"].Maximum, int64(10)},
		{"properties are strings", obligation.Properties["properties"].Additional.(*schema).Type, "string"},
		{"properties bounded", obligation.Properties["properties"].MaxProps, uint64(20)},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}

// What has no faithful schema is refused when it is written into the contract, not approximated.
func TestUnsupportedFieldsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name  string
		field *descriptorpb.FieldDescriptorProto
		want  string
	}{
		{"bytes", field(descriptorpb.FieldDescriptorProto_TYPE_BYTES, ""), "bytes is not supported"},
		{"itself", field(descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".trial.M"), "trial.M contains itself"},
		{"timestamp", field(descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".google.protobuf.Timestamp"), "JSON form of its own"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := document(message(t, tc.field))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func field(kind descriptorpb.FieldDescriptorProto_Type, typeName string) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name:   new("f"),
		Number: proto.Int32(1),
		Label:  descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Type:   kind.Enum(),
	}
	if typeName != "" {
		f.TypeName = new(typeName)
	}
	return f
}

func message(t *testing.T, f *descriptorpb.FieldDescriptorProto) protoreflect.MessageDescriptor {
	t.Helper()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:        new("trial.proto"),
		Syntax:      new("proto3"),
		Package:     new("trial"),
		Dependency:  []string{"google/protobuf/timestamp.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("M"), Field: []*descriptorpb.FieldDescriptorProto{f}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().Get(0)
}
