# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controls of the catalogue, see _controls. What servers are together: replication, Sentinel, cluster."""

from __future__ import annotations

GROUP = {
    "RH-REP-01": (
        "The group has one master, and all its other servers follow it",
        "critical",
        "With two masters one side's data is thrown away; a master that is not of the group replaces all of it.",
        ["design"],
        "Wait until a failover is done. If it stays so, find out who has the data that counts, make the other empty or "
        "a replica of it, and run site.yml.",
    ),
    "RH-REP-02": (
        "Replicas are connected to their master and in step",
        "high",
        "What a replica has not got is lost with its master.",
        ["design"],
        "Look at the log of the replica: masteruser, masterauth, the firewall, and repl_backlog_size for a link that "
        "breaks again and again.",
    ),
    "RH-REP-03": (
        "Only servers of the group replicate from it",
        "critical",
        "A replica is sent all data, and every write that follows, whatever keys its user has the right to.",
        ["overview", "design"],
        "Find out who it is, close the port to it, and give the user that it logs in as a new password.",
    ),
    "RH-REP-04": (
        "Replicas log in as the user that is there for it, with TLS where it is required",
        "high",
        "All data crosses this link; and a login that may do more than replicate stands in the files of every replica.",
        ["strategy-2", "strategy-9", "design"],
        "Run site.yml. A link that is older than its settings is made anew by CLIENT KILL TYPE replica on the master.",
    ),
    "RH-REP-05": (
        "Replicas refuse writes",
        "medium",
        "What is written to a replica is nowhere else, and gone after its next synchronisation.",
        ["design"],
        "Run site.yml; it sets replica-read-only.",
    ),
    "RH-REP-06": (
        "The servers of the group have the same replication settings",
        "medium",
        "After a failover the group behaves as the new master's settings say, and the old one logs in with its own.",
        ["design"],
        "Give all servers of the group the same variables and run site.yml for all of them.",
    ),
    "RH-REP-07": (
        "A member of a group that crashed does not come back as a master by itself",
        "high",
        "systemd starts it again before anybody has noticed, with data that are older than those of its replicas; and "
        "they copy them.",
        ["design"],
        "Run site.yml; it has the unit ask the group before it starts. What can't be asked is named: start it, or open "
        "its port to this host.",
    ),
    "RH-REP-08": (
        "The servers of a group keep what they acknowledged on disk",
        "medium",
        "When all of them lose power, what counts is on their disks; with snapshots alone that is minutes old.",
        ["design"],
        "Take redis_appendonly: false out of the inventory and run site.yml, or waive this where the data may be lost.",
    ),
    "RH-REP-09": (
        "A master that has lost its replicas soon stops taking writes",
        "medium",
        "What clients write to a master that is cut off is thrown away when it follows the new one.",
        ["design"],
        "Set redis_min_replicas_to_write to 1 and redis_min_replicas_max_lag to 10 or less, and run site.yml.",
    ),
    "RH-SEN-01": (
        "Sentinels refuse clients that have not logged in",
        "critical",
        "Whoever may talk to a Sentinel can point the whole group, and its clients, at a server of his own.",
        ["strategy-1", "design"],
        "Run site.yml; it switches the Sentinel's user 'default' off and gives it users of its own.",
    ),
    "RH-SEN-02": (
        "The Sentinels of a group are the declared ones, and know each other",
        "high",
        "One that is gone still counts for the majority; one that nobody declared has a vote on who the master is.",
        ["design"],
        "Run site.yml. Sentinels that are gone for good are forgotten with forget_stale of redis_sentinel.",
    ),
    "RH-SEN-03": (
        "All Sentinels hold the same server for the master, and so do the servers",
        "critical",
        "With two masters clients write to both, and one side's data is thrown away.",
        ["design"],
        "Wait until a failover is done. If they still disagree, ask the servers by ROLE, and run SENTINEL REMOVE on "
        "the Sentinel that is wrong, then site.yml.",
    ),
    "RH-SEN-04": (
        "The quorum is the declared one and can be reached",
        "high",
        "Without it the loss of the master is noticed by everyone and fixed by nobody.",
        ["design"],
        "Start the Sentinels that are down, and run site.yml.",
    ),
    "RH-SEN-05": (
        "Sentinels are logged in to the data nodes, with the rights that a failover needs",
        "high",
        "A right that is missing shows only on the day of the failover, which then does not happen, without a message.",
        ["strategy-2", "design"],
        "Give the Sentinels' user the rights of docs/sentinel.md on every data node, and run site.yml.",
    ),
    "RH-SEN-06": (
        "Enough replicas are up to take over",
        "high",
        "A failover needs a server to fail over to.",
        ["design"],
        "Look at the log of the replica that the finding names, and run site.yml.",
    ),
    "RH-SEN-07": (
        "Sentinels use TLS where it is required",
        "high",
        "Their links carry the passwords with which the data nodes are administered.",
        ["strategy-9", "design"],
        "Set tls-replication yes and port 0 on Sentinels and data nodes, and run site.yml.",
    ),
    "RH-CLU-01": (
        "Every node of the cluster says that it serves all slots",
        "high",
        "A slot without an owner makes its keys unavailable, and by default the whole cluster with them.",
        ["guide", "design"],
        "Start the nodes that are down and run site.yml, which gives slots that nobody has to a master.",
    ),
    "RH-CLU-02": (
        "All nodes of the cluster see the same members, masters and slots",
        "high",
        "Nodes that disagree send clients in circles, and may take writes for the same key in two places.",
        ["guide", "design"],
        "Wait for a failover to end; if it stays so, open the bus ports between the nodes and run site.yml.",
    ),
    "RH-CLU-03": (
        "The members of the cluster are the declared nodes",
        "critical",
        "A member needs no password: it can claim slots, and is sent the keys and the clients of others.",
        ["overview", "design"],
        "Find out who let it in, close the bus, and remove it with state absent in the cluster's nodes.",
    ),
    "RH-CLU-04": (
        "Every master has its replicas, in other zones than its own",
        "medium",
        "A master without a replica elsewhere takes its slots with it when its host fails.",
        ["overview", "design"],
        "Run site.yml; it moves replicas. With too few hosts, add one.",
    ),
    "RH-CLU-05": (
        "The cluster bus takes only nodes with a certificate of the CA",
        "critical",
        "The bus knows no passwords: whoever is let in can make himself a member with CLUSTER MEET.",
        ["overview", "strategy-9", "design"],
        "Set redis_tls to required or optional and run site.yml; the firewall role closes the bus to strangers.",
    ),
    "RH-CLU-07": (
        "The nodes of the cluster keep what they acknowledged on disk",
        "medium",
        "When a master and its replicas lose power, what counts is on their disks; with snapshots that is minutes old.",
        ["design"],
        "Take redis_appendonly: false out of the inventory and run site.yml, or waive this where the data may be lost.",
    ),
    "RH-CLU-06": (
        "The nodes of the cluster have the same cluster settings",
        "low",
        "After a failover the cluster would behave as the new master's settings say.",
        ["design"],
        "Give all nodes the same cluster settings and run site.yml.",
    ),
}
