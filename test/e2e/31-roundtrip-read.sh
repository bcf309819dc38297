# As 30-roundtrip, with pages copied by process_vm_readv after the task has resumed.
MODE=read . "$(dirname "$0")/30-roundtrip.sh"
