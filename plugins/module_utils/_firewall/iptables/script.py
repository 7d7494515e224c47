# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the script redis-ports-block that knows iptables: shell functions."""

from __future__ import annotations

SHELL = r"""# Select a family and a table, and the commands for them.
select_table() {
  family=IPv$1 table=$2 file=$folder/rules.v$1
  case $1 in
    4) iptables=iptables ;;
    6) iptables=ip6tables ;;
  esac
}

# Select the file's section and the kernel's rules as well.
use() {
  select_table "$1" "$2"
  [ "$(tail -n 1 "$file")" = COMMIT ] || { say "$file is missing or incomplete"; return 1; }
  wanted=$(section "$table")
  whole || { say "$file lacks rules of its section $table; site.yml writes it anew"; return 1; }
  read_kernel
}

section() { sed -n "/^\*$1\$/,/^COMMIT\$/p" "$file" | grep -e '^:' -e '^-A '; }

# Whether the section has all that it can't be without: an empty one would take the rules away. That of nat is there for
# the notice, to whose door the section filter has a rule.
whole() {
  ports='-p tcp -m multiport --dports [0-9,:]+' mark='-m comment --comment redis_hardening'
  case $table in
    filter) ends REDIS-PORTS "$ports -j DROP" && ends REDIS-PORTS-DOCKER "$ports $mark -j DROP" ;;
    mangle) ends REDIS-PORTS-DOCKER "$ports $mark -j DROP" ;;
    nat) ! section filter | grep -q -e '--dport 63790 -m conntrack' || ends REDIS-PORTS "$ports -j RED.*" ;;
  esac
}

# Whether a chain of the section is there, and its last rule is of this kind.
ends() { printf '%s\n' "$wanted" | grep -e "^:$1 " -e "^-A $1 " | tail -n 1 | grep -qE -e "^-A $1 $2\$"; }

read_kernel() {
  actual=$("$iptables-save" -t "$table") || { say "the kernel's rules can't be read"; return 1; }
}

# Print the lines that put each jump in front, once: none when it is. With 'move' leave those alone that are missing;
# with 'remove' take all away. What can only turn packets away, such as a chain of fail2ban, may come before.
jumps() {
  printf '%s\n' "$actual" | awk -v table="$table" -v only="${1:-}" -v keep="${wanted:+1}" '
    BEGIN {
      if (table == "filter") {
        jump["INPUT"] = "-p tcp -j REDIS-PORTS"
        jump["DOCKER-USER"] = "-p tcp -j REDIS-PORTS-DOCKER"
      } else if (table == "mangle") {
        jump["FORWARD"] = "-p tcp -j REDIS-PORTS-DOCKER"
      } else {
        jump["PREROUTING"] = "-p tcp -j REDIS-PORTS"
      }
      split("DROP REJECT RETURN LOG NFLOG SET", names)
      for (number in names) harmless[names[number]]
    }
    # Whether all that a chain may do to a packet is to drop it. Chains lead back to none before them.
    function drops(chain, number, target) {
      if (chain in judged) return judged[chain]
      judged[chain] = chain in rules
      for (number = 1; number <= rules[chain] && judged[chain]; number++) {
        target = targets[chain, number]
        judged[chain] = target == "" || target in harmless || drops(target)
      }
      return judged[chain]
    }
    $1 ~ /^:/ { rules[substr($1, 2)] = 0 }
    $1 == "-A" {
      line = $0
      # A comment may hold anything.
      gsub(/"([^"\\]|\\.)*"/, "", line)
      count = split(line, words, " ")
      target = way = ""
      for (number = 3; number < count && way == ""; number++)
        if (words[number] == "-j" || words[number] == "-g") { way = words[number]; target = words[number + 1] }
      targets[$2, ++rules[$2]] = target
      ways[$2, rules[$2]] = way
    }
    $1 == "-A" && ($2 in jump) {
      name = jump[$2]
      sub(/.* /, "", name)
      if ($(NF - 1) == "-j" && $NF == name) {
        copies[$2]++
        removal[$2] = removal[$2] "-D" substr($0, 3) "\n"
        if (copies[$2] == 1 && $0 == "-A " $2 " " jump[$2]) place[$2] = rules[$2]
      }
    }
    # Whether the first rules of a chain may come before ours: drops, and jumps to chains that do no more.
    function in_front(chain, number, target) {
      if (!place[chain]) return 0
      for (number = 1; number < place[chain]; number++) {
        target = targets[chain, number]
        if (target == "DROP" || target == "REJECT") continue
        if (ways[chain, number] != "-j" || !(target in rules) || !drops(target)) return 0
      }
      return 1
    }
    END {
      for (chain in jump) {
        if (!keep) { printf "%s", removal[chain]; continue }
        if (copies[chain] == 1 && in_front(chain)) continue
        if (only == "move" && !copies[chain]) continue
        printf "%s-I %s 1 %s\n", removal[chain], chain, jump[chain]
      }
    }'
}

# The table nat is for a notice only: without one we have no business there, but to take away what is left of it.
concerned() {
  [ "$table" != nat ] || printf '%s\n' "$wanted" "$actual" | grep -qE -e "^(:|-A )$own( |\$)" -e "-j $own\$"
}

# Load lines into the table in one transaction, without touching any other chain.
restore() {
  { echo "*$table"; cat; echo COMMIT; } | "$iptables-restore" -w --noflush
}

# Replace our chains and mend the jumps. Docker finds its chain when it comes.
load() {
  {
    [ "$table" != filter ] || printf '%s\n' "$actual" | grep -q '^:DOCKER-USER ' || echo ':DOCKER-USER - [0:0]'
    printf '%s\n' "$wanted"
    jumps
  } | restore
}

# Remove chains of an earlier policy, which nothing leads to any more.
tidy() {
  read_kernel || return 1
  printf '%s\n' "$actual" | sed -nE "s/^:($own) .*/\1/p" | while read -r chain; do
    printf '%s\n' "$wanted" | grep -q "^:$chain " && continue
    "$iptables" -w -t "$table" -F "$chain"
    "$iptables" -w -t "$table" -X "$chain" || say "the chain $chain is still used by somebody else"
  done
}

# Another program that changes the rules between our look and our load makes the load fail: look again.
apply() {
  for attempt in 1 2 3 4 5; do
    if load; then
      tidy
      return
    fi
    [ "$attempt" = 5 ] || sleep 0.2
    read_kernel || return 1
  done
  say "the rules could not be loaded"
  return 1
}

# Rules are compared chain by chain, since the kernel has its own order of chains.
by_chain() { grep -E "^-A $own " | sort -s -k 2,2; }

check() {
  [ "$(printf '%s\n' "$actual" | by_chain)" = "$(printf '%s\n' "$wanted" | by_chain)" ] ||
    { say "the rules in the kernel are not those of $file"; return 1; }
  mend=$(jumps)
  [ -z "$mend" ] || { say "a jump is missing, repeated or too far behind; apply would do: $mend"; return 1; }
}

guard() {
  moves=$(jumps move)
  [ -z "$moves" ] || { printf '%s\n' "$moves" | restore; }
  read_kernel || return 1
  check
}

status() {
  echo "$family $table"
  printf '%s\n' "$actual" | sed -nE "s/^:($own) .*/\1/p" | while read -r chain; do
    "$iptables" -w -t "$table" -v -n -L "$chain"
  done
}

"""
