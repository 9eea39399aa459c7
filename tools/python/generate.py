"""Generates the Python messages and stubs: generate.py IMAGE OUT, called by tools/generate.sh.

The validation rules are taken out first. The server checks them; a client that carried them would need a package `buf`, which
would collide with the one that PyPI's protovalidate brings, and grpcio and protobuf alone would not be enough to import it.
"""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PACKAGE = "portcullis/v1/"
RULES = "buf/validate/validate.proto"


def without_rules(image: bytes) -> descriptor_pb2.FileDescriptorSet:
    """The image without the rules' own file, imports of it, and options that are rules (unknown fields here: it was never loaded)."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image)
    kept = descriptor_pb2.FileDescriptorSet()
    for file in files.file:
        if file.name == RULES:
            continue
        if file.name.startswith(PACKAGE):
            dependencies = [name for name in file.dependency if name != RULES]
            if file.public_dependency or file.weak_dependency:
                sys.exit(f"{file.name}: public and weak imports are not supported here")
            file.dependency[:] = dependencies
            file.DiscardUnknownFields()
        kept.file.append(file)
    return kept


def main() -> int:
    image, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = without_rules(image.read_bytes())
    with tempfile.NamedTemporaryFile(suffix=".binpb") as stripped:
        stripped.write(files.SerializeToString(deterministic=True))
        stripped.flush()
        return protoc.main(
            ["protoc", f"--descriptor_set_in={stripped.name}", f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"]
            + sorted(file.name for file in files.file if file.name.startswith(PACKAGE))
        )


if __name__ == "__main__":
    sys.exit(main())
