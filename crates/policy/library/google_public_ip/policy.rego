# Machines have no public address.
#
# Judges access_config of the network interfaces of instances and templates: even an empty one gives an address.
package statehouse.google_public_ip

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it gets a public address; remove access_config from its network_interface") if {
	some type in ["google_compute_instance", "google_compute_instance_template", "google_compute_region_instance_template"]
	some change in plan.made[type]
	some interface in plan.blocks(change, "network_interface")
	some name in ["access_config", "ipv6_access_config"]
	count(plan.items(interface, name)) > 0
}
