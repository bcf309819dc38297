# The tests that the CRIU series brings along, which need no Frazil: plugins that track memory,
# and plugins that keep it while its task runs on.
TIMEOUT=600
. "$(dirname "$0")/lib.sh"

# They look for what they test where CRIU is built.
mkdir -p build/criu build/test/others
cp -r /usr/lib/zdtm/plugins build/test/
cp -r /usr/lib/zdtm/others/{env.sh,mem-track,protect-mem} build/test/others/
ln -s "$(command -v criu)" build/criu/criu
for name in mem-track protect-mem; do
	(cd build/test/others/$name && ./run.sh >"$OLDPWD/$name.out" 2>&1) || fail "$name: $(tail -n 15 $name.out)"
	is "$name ends with" "$(tail -n 1 $name.out)" PASS
done
