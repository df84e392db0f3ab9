# Machines are of an allowed type.
#
# Judges machine_type of instances, templates and node pools, given as a name or an address. A type that is not known
# yet is not judged.
package statehouse.google_machine_types

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.google_machine_types

deny contains plan.denial(change, sprintf("the machine type is %s; use one of %s", [kind, concat(", ", parameters.allowed)])) if {
	some type in ["google_compute_instance", "google_compute_instance_template", "google_compute_region_instance_template"]
	some change in plan.made[type]
	kind := named(plan.value(change, ["machine_type"]))
	not plan.is_like_any(kind, parameters.allowed)
}

deny contains plan.denial(change, sprintf("the machine type of its nodes is %s; use one of %s", [kind, concat(", ", parameters.allowed)])) if {
	some type in ["google_container_node_pool", "google_container_cluster"]
	some change in plan.made[type]
	some node in plan.blocks(change, "node_config")
	kind := named(node.machine_type)
	not plan.is_like_any(kind, parameters.allowed)
}

# The last part of an address.
named(text) := parts[count(parts) - 1] if {
	is_string(text)
	parts := split(text, "/")
}
