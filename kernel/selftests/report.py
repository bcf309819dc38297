#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reduces what the selftests said to one status for each case, and compares kernels.

  report.py results DIR            status and case of each, tab-separated
  report.py tap DIR EXPECTED       the same as TAP lines without numbers
  report.py check DIR... EXPECTED  a table for each directory, and what differs from the
                                   one called unpatched

DIR/results is what kernel/selftests/guest left. A status is pass, fail or skip. A program that was killed, crashed, ran out of time or failed without saying which
case it was has a failed case "ends as it should"; the kernel log is one more case.

EXPECTED lists cases that fail on the unpatched kernel as well, or not each time:
"PROGRAM: CASE <tab> reason".
"""
import os
import re
import sys
from collections import Counter

SPLAT = re.compile(r'BUG:|WARNING:|general protection|KASAN|KFENCE|possible .*(deadlock|locking)|'
                   r'INFO: (task|rcu|lockdep|possible)|Oops|refcount_t|rcu_.*stall|soft lockup|'
                   r'page_table_check|Bad (page|rss)|suspicious RCU')
END = 'ends as it should'
LOG = 'kernel log'


def numberless(text):
    """A case keeps its name from run to run: without addresses and measurements."""
    text = re.sub(r'0x[0-9a-f]+', 'ADDRESS', text)
    text = re.sub(r'\b\d+(\.\d+)? ?(ns|us|ms|usec|msec)\b', 'TIME', text)
    text = re.sub(r'Extra pages \d+ \([\d.]+%\), extra thread faults \d+', 'Extra pages', text)
    return ' '.join(text.split())


def unit_tests(lines):
    """uffd-unit-tests: "Testing CASE... done", "skipped [reason: ...]" or "failed ..." """
    case = None
    for line in lines:
        m = re.match(r'Testing (.*?)\.\.\. ?(.*)', line)
        if m:
            if case:
                yield case, 'fail', 'it ended the program'
            case, line = m[1], m[2]
        if not case:
            continue
        m = re.search(r'(done|skipped|failed)(?: \[reason: (.*)\])?$', line)
        if m:
            yield case, {'done': 'pass', 'skipped': 'skip', 'failed': 'fail'}[m[1]], m[2] or ''
            case = None
        elif line.startswith('ERROR:'):
            yield case, 'fail', line
            case = None
    if case:
        yield case, 'fail', 'it ended the program'


def khugepaged(lines):
    """khugepaged: "Run test: CASE (CONTEXT:MEMORY)", then steps that end in a coloured word"""
    case, status = None, None
    for line in lines:
        m = re.match(r'Run test: (.*)', line)
        if m:
            if case:
                yield case, status, ''
            case, status = m[1], 'pass'
        elif '\033[31m' in line:
            status = 'fail'
        elif '\033[33m' in line and status == 'pass':
            status = 'skip'
    if case:
        yield case, status, ''


def tap(lines):
    """Kselftest's TAP. cow's result lines are the same for many cases: "[RUN] CASE" tells."""
    running = None
    for line in lines:
        m = re.match(r'# \[RUN\] (.*)', line)
        if m:
            running = m[1]
            continue
        m = re.match(r'(ok|not ok) \d+ ?(?:- )?(.*)', line)
        if not m:
            continue
        text, _, directive = m[2].partition('# ')
        kind, _, reason = directive.partition(' ')
        status = 'skip' if kind == 'SKIP' else 'pass' if m[1] == 'ok' else 'fail'
        yield running or text.strip() or reason or 'unnamed', status, reason if status == 'skip' else ''


def parser(name):
    if name == 'uffd-unit-tests':
        return unit_tests
    if name.startswith('khugepaged'):
        return khugepaged
    return tap


def one_program(results, name):
    """{case: (status, detail)} of one run."""
    with open(f'{results}/{name}.out', errors='replace') as f:
        lines = f.read().split('\n')
    cases, seen = {}, Counter()
    for case, status, detail in parser(name)(lines):
        case = numberless(case)
        seen[case] += 1
        if seen[case] > 1:
            case += f' #{seen[case]}'
        cases[case] = status, detail
    m = re.match(r'# status (\d+) seconds (\d+)', next((l for l in reversed(lines) if l), ''))
    rc = int(m[1]) if m else None
    if not cases and rc == 4:
        cases['all'] = 'skip', next((l for l in lines if l), '')
    elif not cases and name.startswith('uffd-stress'):
        cases['all bounces'] = ('pass' if rc == 0 else 'fail'), ''
    elif not cases and name == 'proc-pid-vm':
        cases['all'] = ('pass' if rc == 0 else 'fail'), ''
    failed = any(status == 'fail' for status, _ in cases.values())
    if rc is None:
        cases[END] = 'fail', 'the guest died'
    elif rc in (124, 137):
        cases[END] = 'fail', 'out of time'
    elif rc > 128:
        cases[END] = 'fail', f'signal {rc - 128}'
    elif rc not in (0, 4, 77) and not failed:
        cases[END] = 'fail', f'status {rc}'
    try:
        with open(f'{results}/{name}.dmesg', errors='replace') as f:
            splat = next((l.strip() for l in f if SPLAT.search(l)), None)
    except FileNotFoundError:
        splat = 'not there: the guest died'
    cases[LOG] = ('fail', splat) if splat else ('pass', '')
    return cases


def read(directory):
    """{"PROGRAM: CASE": (status, detail)} of all runs, in the order of the files' times"""
    results = f'{directory}/results'
    names = [f[:-4] for f in os.listdir(results) if f.endswith('.out')]
    names.sort(key=lambda n: os.stat(f'{results}/{n}.out').st_mtime)
    return {f'{name}: {case}': result for name in names
            for case, result in one_program(results, name).items()}


def read_expected(path):
    expected = {}
    with open(path) as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                case, _, reason = line.rstrip('\n').partition('\t')
                expected[case] = reason.strip()
    return expected


def program_of(case):
    return case.partition(': ')[0]


def count(results):
    per_program = {}
    for case, (status, _) in results.items():
        per_program.setdefault(program_of(case), Counter())[status] += 1
    return per_program


def seconds(directory, program):
    with open(f'{directory}/results/{program}.out', errors='replace') as f:
        m = re.search(r'^# status \d+ seconds (\d+)$', f.read(), re.M)
    return m[1] if m else '-'


def print_table(name, directory, results):
    with open(f'{directory}/results/version') as f:
        print(f'{name}: linux {f.read().strip()}')
    print(f'  {"":30}{"passed":>8}{"failed":>8}{"skipped":>8}{"seconds":>9}')
    for program, n in count(results).items():
        print(f'  {program:30}{n["pass"]:8}{n["fail"]:8}{n["skip"]:8}{seconds(directory, program):>9}')
    print()


def compare(name, results, base, expected):
    """Prints what differs from the base, and yields pass, fail or skip for each case."""
    new = Counter()
    for case, (status, detail) in results.items():
        # A case that an unpatched kernel cannot run is new; so is one of ours.
        was, _ = base.get(case, ('skip', ''))
        if case in expected:
            yield 'skip'
        elif was == 'skip' and status != 'skip':
            new[status] += 1
            if status == 'fail':
                print(f'not ok - {name}: {case}: new, and failed: {detail}')
            yield status
        elif was != status:
            print(f'not ok - {name}: {case}: {was} on the unpatched kernel, {status} here: {detail}')
            yield 'fail'
        elif status == 'fail' and case.endswith((f': {LOG}', f': {END}')):
            # Two kernels may have different ones: one does not excuse the other.
            print(f'not ok - {name}: {case}: {detail}, as on the unpatched kernel')
            yield 'fail'
        else:
            # Also when both fail: that is what the comparison is about.
            yield 'skip' if status == 'skip' else 'pass'
    for case, (was, _) in base.items():
        if case not in results and was != 'skip':
            print(f'not ok - {name}: {case}: {was} on the unpatched kernel, not run here')
            yield 'fail'
    print(f'{name}: {len(results)} cases, {new["pass"] + new["fail"]} of them new: '
          f'{new["pass"]} passed, {new["fail"]} failed')


def check(directories, expected):
    all_results = {}
    total = Counter()
    for directory in directories:
        name = os.path.basename(directory)
        all_results[name] = read(directory)
        print_table(name, directory, all_results[name])
    if 'unpatched' not in all_results or len(all_results) == 1:
        print('No comparison: that takes the unpatched kernel and another.')
        for results in all_results.values():
            total.update(status for status, _ in results.values())
            print_tap({c: r for c, r in results.items() if r[0] == 'fail'}, expected)
        print(f'{total["pass"]} passed, {total["fail"]} failed, {total["skip"]} skipped')
        return 1 if total['fail'] else 0
    base = all_results['unpatched']
    for case, (status, detail) in base.items():
        if status == 'fail':
            why = expected.get(case, 'not in the list of expected failures')
            print(f'# unpatched: {case}: fail: {why} {detail}')
    for name, results in all_results.items():
        if name != 'unpatched':
            total.update(compare(name, results, base, expected))
    print(f'\n{total["pass"]} passed, {total["fail"]} failed, {total["skip"]} skipped')
    return 1 if total['fail'] or not total['pass'] else 0


def print_tap(results, expected):
    for case, (status, detail) in results.items():
        if status == 'fail' and case in expected:
            status, detail = 'skip', expected[case]
        if status == 'skip':
            print(f'ok - selftest {case} # SKIP {detail}')
        else:
            print(f'{"ok" if status == "pass" else "not ok"} - selftest {case}{" # " + detail if detail else ""}')


def main(argv):
    match argv[1:]:
        case ['results', directory]:
            for case, (status, detail) in read(directory).items():
                print(f'{status}\t{case}\t{detail}')
        case ['tap', directory, expected]:
            print_tap(read(directory), read_expected(expected))
        case ['check', *directories, expected] if directories:
            return check(directories, read_expected(expected))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
