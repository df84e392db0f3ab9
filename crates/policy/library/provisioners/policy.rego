# No resource runs programs while it is made.
#
# Judges provisioners of the configuration, those of modules too: what they do is in no plan.
package statehouse.provisioners

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.provisioners

deny contains plan.denial(one, sprintf("it has a provisioner %s; use a resource, an image or user data", [provisioner.type])) if {
	some one in plan.configured
	some provisioner in one.resource.provisioners
	not provisioner.type in parameters.allowed
}
