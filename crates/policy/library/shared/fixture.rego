# Plans for the tests of the starter policies.
#
# A sample is {"type", "after", "unknown"?, "provider"?}: what a resource is to be. It is put wherever a resource can be.
package statehouse.fixture

import rego.v1

# A plan that makes the sample everywhere: at the root, by count and for_each, in modules, replaced, changed and imported.
made(sample) := {"resource_changes": array.concat(
	[resource(sample, place[0], place[1], {}) |
		some place in [
			["", ["create"]],
			["[0]", ["update"]],
			["[\"a\"]", ["delete", "create"]],
			["[\"b\"]", ["create", "delete"]],
		]
	],
	[
		object.union(resource(sample, "", ["create"], {}), {"address": concat("", ["module.inner.", sample.type, ".sample"]), "module_address": "module.inner"}),
		object.union(resource(sample, "", ["create"], {}), {"address": concat("", ["module.outer[\"x\"].module.inner.", sample.type, ".sample"]), "module_address": "module.outer[\"x\"].module.inner"}),
		resource(sample, "[9]", ["no-op"], {"importing": {"id": "sample"}}),
	],
)}

# Every address that `made` makes.
addresses(sample) := {change.address | some change in made(sample).resource_changes}

# A plan in which the sample only stays, goes, is forgotten, or is read as data.
left(sample) := {"resource_changes": array.concat(
	[was(resource(sample, place[0], place[1], {})) |
		some place in [["", ["no-op"]], ["[0]", ["delete"]], ["[\"a\"]", ["forget"]]]
	],
	[object.union(resource(sample, "", ["read"], {}), {"address": concat("", ["data.", sample.type, ".sample"]), "mode": "data"})],
)}

# A plan that destroys the sample: alone, in a module, and to replace it.
destroyed(sample) := {"resource_changes": [
	was(resource(sample, "", ["delete"], {})),
	object.union(was(resource(sample, "[0]", ["delete"], {})), {"address": concat("", ["module.inner.", sample.type, ".sample[0]"]), "module_address": "module.inner"}),
]}

# A plan that replaces the sample, in both orders.
replaced(sample) := {"resource_changes": [
	resource(sample, "", ["delete", "create"], {}),
	resource(sample, "[0]", ["create", "delete"], {}),
]}

resource(sample, index, actions, more) := {
	"address": concat("", [sample.type, ".sample", index]),
	"mode": "managed",
	"type": sample.type,
	"name": "sample",
	"provider_name": object.get(sample, "provider", "registry.terraform.io/hashicorp/aws"),
	"change": object.union(
		{
			"actions": actions,
			"before": null,
			"after": sample.after,
			"after_unknown": object.get(sample, "unknown", {}),
		},
		more,
	),
}

# A resource that is there and will not be.
was(before) := object.union(before, {"change": {
	"actions": before.change.actions,
	"before": before.change.after,
	"after": after,
	"after_unknown": {},
}}) if {
	after := {true: null, false: before.change.after}["delete" in before.change.actions]
}
