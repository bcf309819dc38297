#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What test/vm/run promises: TAP.
cd "$(dirname "$0")/../.." || exit 1
n=0 bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expect NAME STATUS PATTERN COMMAND...: exit status, and a pattern in all output
expect()
{
	local name=$1 status=$2 pattern=$3 out rc
	shift 3
	out=$("$@" 2>&1 </dev/null)
	rc=$?
	n=$((n + 1))
	if [ $rc = "$status" ] && grep -qE "$pattern" <<<"$out"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name # status $rc, expected $status; output: $(tail -n 3 <<<"$out" | tr '\n' '|')"
		bad=1
	fi
}

expect "streams output, exits with the command's status" 7 '^out err$' \
	test/vm/run -- bash -c 'echo -n "out "; echo err >&2; exit 7'
echo hello >"$work/in"
expect "arguments arrive as they are, the share is writable" 0 "^a b'c\\$ hello$" \
	test/vm/run --share "$work" -- bash -c 'echo "$1" "$(cat /mnt/share/in)"; echo back >/mnt/share/out' - "a b'c\$"
expect "what the guest wrote is there" 0 '^back$' cat "$work/out"
expect "--smp and --mem count" 0 '^3 9[0-9][0-9]$' \
	test/vm/run --smp 3 --mem 1024 -- bash -c 'echo "$(nproc) $(free -m | awk "/^Mem/ { print \$2 }")"'
# A loop takes as long each time, which it does not on a host that does other things too.
expect "--icount counts instructions, whatever the host does" 0 '^even' \
	test/vm/run --icount --smp 1 -- bash -c 'measure()
	{
		local start=${EPOCHREALTIME/./} i
		for ((i = 0; i < 20000; i++)); do :; done
		echo $((${EPOCHREALTIME/./} - start))
	}
	measure >/dev/null
	for i in 1 2 3 4 5; do measure; done | sort -n | sed -n "1p;\$p" | paste -sd " " |
		awk "{ print (\$2 < \$1 * 1.1 ? \"even\" : \"uneven\"), \$0 }"'
expect "a panic is told, with the console" 125 'sysrq: Trigger a crash|Kernel panic' \
	test/vm/run -- bash -c 'echo c >/proc/sysrq-trigger; sleep 60'
expect "a guest that died after its boot is not booted again" 0 '^1$' \
	bash -c "test/vm/run -- bash -c 'echo c >/proc/sysrq-trigger; sleep 60' 2>&1 | grep -c 'console ended with'"
mkdir "$work/bin"
cat >"$work/bin/qemu-system-x86_64" <<EOF
#!/bin/bash
PATH=$PATH
[ -e "$work/booted" ] && exec qemu-system-x86_64 "\$@"
touch "$work/booted"
exec qemu-system-x86_64 "\$@" -append "root=/dev/vda init=/nonexistent console=ttyS0 panic=-1"
EOF
chmod +x "$work/bin/qemu-system-x86_64"
expect "a guest that dies at boot is booted once more" 3 'at boot and is booted once more' \
	env PATH="$work/bin:$PATH" test/vm/run -- bash -c 'exit 3'
expect "a hang ends" 124 'no end after 15 s' test/vm/run --timeout 15 -- sleep 1000
expect "a kernel that is not there is named" 125 '/nonexistent is missing' test/vm/run --kernel /nonexistent -- true
echo "1..$n"
exit $bad
