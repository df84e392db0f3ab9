# Firewalls do not let the Internet in.
#
# Judges google_compute_firewall: rules for incoming traffic that allow ports beyond those allowed from everywhere.
# Ranges that are not known yet are not judged.
package statehouse.google_firewall_ingress

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.google_firewall_ingress

deny contains plan.denial(change, sprintf("ports %s are open to %s; name the networks that need them", [port, range])) if {
	some change in plan.made.google_compute_firewall
	rule := change.change.after
	object.get(rule, "direction", "INGRESS") != "EGRESS"
	not rule.disabled == true
	some range in plan.blocks(change, "source_ranges")
	plan.is_everywhere(range)
	some allowed in plan.blocks(change, "allow")
	some port in ports(allowed)
	not port in parameters.ports
}

# Without ports, a rule opens all of them; protocols without ports may pass where they are allowed.
ports(allowed) := allowed.ports if {
	count(allowed.ports) > 0
} else := [sprintf("all (%s)", [allowed.protocol])] if {
	not allowed.protocol in parameters.protocols
} else := []
