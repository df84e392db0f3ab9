# SQL instances are private, encrypted on the way and backed up.
#
# Judges settings of google_sql_database_instance: no public address, no network that is everywhere, TLS, and backups. A
# public address is on unless switched off.
package statehouse.google_sql_instance

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it has a public address; set ipv4_enabled = false in settings.ip_configuration and use a private network") if {
	some change in plan.made.google_sql_database_instance
	some setting in plan.blocks(change, "settings")
	count([1 | some network in plan.items(setting, "ip_configuration"); network.ipv4_enabled == false]) == 0
}

deny contains plan.denial(change, sprintf("%s may connect; name the networks that need it", [authorized.value])) if {
	some network in networks
	change := network.change
	some authorized in plan.items(network.value, "authorized_networks")
	plan.is_everywhere(authorized.value)
}

deny contains plan.denial(change, "connections need no TLS; set ssl_mode = \"ENCRYPTED_ONLY\" in settings.ip_configuration") if {
	some network in networks
	change := network.change
	not object.get(network.value, "ssl_mode", "") in {"ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}
	not network.value.require_ssl == true
}

deny contains plan.denial(change, "it has no backups; set enabled = true in settings.backup_configuration") if {
	some change in plan.made.google_sql_database_instance
	not plan.is_given(change, ["master_instance_name"])
	some setting in plan.blocks(change, "settings")
	count([1 | some backup in plan.items(setting, "backup_configuration"); backup.enabled == true]) == 0
}

networks contains {"change": change, "value": network} if {
	some change in plan.made.google_sql_database_instance
	some setting in plan.blocks(change, "settings")
	some network in plan.items(setting, "ip_configuration")
}
