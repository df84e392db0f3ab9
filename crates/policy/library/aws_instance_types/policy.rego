# Instances are of an allowed type.
#
# Judges aws_instance, spot requests, launch templates and configurations, RDS, ElastiCache, Redshift and EKS node
# groups. A type that is not known yet is not judged.
package statehouse.aws_instance_types

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_instance_types

deny contains plan.denial(change, sprintf("%s is %s; use one of %s", [attribute, kind, concat(", ", parameters.allowed)])) if {
	some type, attribute in attributes
	some change in plan.made[type]
	some kind in plan.as_list(change.change.after[attribute])
	kind in denied
}

denied := plan.unlike(used, parameters.allowed)

used contains kind if {
	some type, attribute in attributes
	some change in plan.made[type]
	some kind in plan.as_list(change.change.after[attribute])
}

attributes := {
	"aws_instance": "instance_type",
	"aws_spot_instance_request": "instance_type",
	"aws_launch_template": "instance_type",
	"aws_launch_configuration": "instance_type",
	"aws_eks_node_group": "instance_types",
	"aws_db_instance": "instance_class",
	"aws_rds_cluster_instance": "instance_class",
	"aws_elasticache_cluster": "node_type",
	"aws_elasticache_replication_group": "node_type",
	"aws_redshift_cluster": "node_type",
}
