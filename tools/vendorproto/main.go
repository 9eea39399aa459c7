// Command vendorproto prints buf/validate/validate.proto from the descriptor inside the Go module of
// protovalidate, so that the contract builds without a schema registry. Run it by `make vendor-proto`
// after that module's version changed. Comments are lost on the way, meaning is not.
package main

import (
	"fmt"
	"os"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
)

func main() {
	printer := protoprint.Printer{Compact: true}
	text, err := printer.PrintProtoToString(validate.File_buf_validate_validate_proto)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vendorproto: print descriptor:", err)
		os.Exit(1)
	}
	fmt.Print("// Printed from the descriptor in buf.build/gen/go/bufbuild/protovalidate (Apache-2.0) by tools/vendorproto.\n\n", text)
}
