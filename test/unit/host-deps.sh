#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What images/host-deps asks apt-get for, on a machine that has none of the packages and
# has never heard of them, and on one that has all. Nothing is installed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
n=0 bad=0

ok()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$bin/out"
		bad=1
	fi
}

cat >"$bin/dpkg-query" <<'END'
#!/bin/sh
[ -e "${0%/*}/all" ] && echo "ii  1:99.0" && exit
echo "dpkg-query: no packages found" >&2
exit 1
END
cat >"$bin/apt-get" <<'END'
#!/bin/sh
echo "$*" >>"${0%/*}/out"
END
printf '#!/bin/sh\necho 0\n' >"$bin/id"
chmod +x "$bin"/*

: >"$bin/out"
PATH=$bin:$PATH images/host-deps >/dev/null 2>>"$bin/out"
ok $? "a machine that has nothing"
for p in mmdebstrap buildah qemu-system-x86 e2fsprogs gcc make git; do
	grep -q "install .*\b$p\b" "$bin/out"
	ok $? "installs $p"
done
if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
	grep -q 'install .*-t bookworm-backports qemu-system-x86$' "$bin/out"
	ok $? "on Debian 12 the emulator is that of backports"
	! grep -q 'install .*-t .*gcc' "$bin/out"
	ok $? "and nothing else"
fi

touch "$bin/all"
: >"$bin/out"
PATH=$bin:$PATH images/host-deps >>"$bin/out" 2>&1 && [ ! -s "$bin/out" ]
ok $? "a machine that has all: nothing is done or said"
echo "1..$n"
exit $bad
