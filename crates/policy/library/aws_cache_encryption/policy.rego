# Caches and searches are encrypted at rest and on the way.
#
# Judges aws_elasticache_replication_group and aws_opensearch_domain. What is not known to be on is denied.
package statehouse.aws_cache_encryption

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("%s is not on; set it to true", [setting])) if {
	some change in plan.made.aws_elasticache_replication_group
	some setting in ["at_rest_encryption_enabled", "transit_encryption_enabled"]
	not object.get(change.change.after, setting, null) in {true, "true"}
}

deny contains plan.denial(change, sprintf("%s is not on; set enabled = true in it", [name])) if {
	some change in plan.made.aws_opensearch_domain
	some name in ["encrypt_at_rest", "node_to_node_encryption"]
	count([1 | some block in plan.blocks(change, name); block.enabled == true]) == 0
}

deny contains plan.denial(change, "it answers without TLS; set enforce_https = true in domain_endpoint_options") if {
	some change in plan.made.aws_opensearch_domain
	count([1 | some block in plan.blocks(change, "domain_endpoint_options"); block.enforce_https == true]) == 0
}
