# What the starter policies read of a plan: its resources by type, gathered once for all of them.
#
# A resource is judged where the plan makes it: creates, changes, replaces or imports it. What only stays as it is, goes, or is
# read as data is not judged, so that an old sin does not stop a new change.
package statehouse.plan

import rego.v1

# Resources that the plan makes, by type. Positions are gathered first: sets of numbers are cheap, and a plan can be long.
made := {type: [input.resource_changes[position] | some position in positions] | some type, positions in made_at}

# Resources that the plan destroys, by type; one that is replaced is among them.
destroyed := {type: [input.resource_changes[position] | some position in positions] | some type, positions in destroyed_at}

made_at[change.type] contains position if {
	some position, change in input.resource_changes
	change.mode == "managed"
	not change.change.actions in without_making
}

made_at[change.type] contains position if {
	some position, change in input.resource_changes
	change.change.importing
	change.mode == "managed"
}

destroyed_at[change.type] contains position if {
	some position, change in input.resource_changes
	"delete" in change.change.actions
	change.mode == "managed"
}

# What a plan does without making anything. Actions that nobody knows yet are judged.
without_making := {["no-op"], ["read"], ["delete"], ["forget"], []}

# Whether a resource is replaced: destroyed and created in one plan.
is_replaced(change) if {
	"delete" in change.change.actions
	"create" in change.change.actions
}

# Whether a value, or anything that it is part of, is known only after the apply.
is_unknown(change, path) if {
	some length in numbers.range(1, count(path))
	object.get(change.change.after_unknown, array.slice(path, 0, length), false) == true
}

# The value at a path of the resource as it will be; null where it is not set or not known.
value(change, path) := object.get(change.change.after, path, null)

# Whether a value is given: known and neither null nor empty, or known after the apply because it refers to something.
is_given(change, path) if not value(change, path) in {null, ""}

is_given(change, path) if is_unknown(change, path)

# The blocks of a name in a resource as it will be, and none where there are none.
blocks(change, name) := items(change.change.after, name)

# The list that an object has under a name, and an empty one where it has none.
items(object_with_list, name) := list if {
	list := object_with_list[name]
	is_array(list)
} else := []

# Whether a text is like one of the patterns, where `*` stands for any text.
is_like_any(text, patterns) if {
	some pattern in patterns
	glob.match(pattern, [], text)
}

# Those of a set of texts that are like one of the patterns.
like(texts, patterns) := {text |
	some text in texts
	is_string(text)
	is_like_any(text, patterns)
}

# Those of a set of texts that are like none of the patterns. A policy that judges many resources asks once for all their values.
unlike(texts, patterns) := {text |
	some text in texts
	is_string(text)
	not is_like_any(text, patterns)
}

# The statements of a policy document in JSON; a document that is not known yet has none.
statements(text) := list if {
	is_string(text)
	json.is_valid(text)
	document := json.unmarshal(text)
	list := as_list(document.Statement)
} else := []

# What AWS writes as one thing or a list of them, as a list.
as_list(thing) := thing if is_array(thing)

as_list(thing) := [thing] if not is_array(thing)

# A range of addresses that is the whole Internet.
is_everywhere(range) if range in {"0.0.0.0/0", "::/0", "0::/0", "*", "Internet", "Any"}

# The modules of the configuration by the names of the calls that lead to them: the root is "", a call within a call "a.b". Ten
# levels are looked at; nobody nests deeper.
modules := object.union_n([
	level_0, level_1, level_2, level_3, level_4, level_5,
	level_6, level_7, level_8, level_9, level_10,
])

level_0 := {"": root} if root := input.configuration.root_module

level_0 := {} if not input.configuration.root_module

level_1 := within(level_0)

level_2 := within(level_1)

level_3 := within(level_2)

level_4 := within(level_3)

level_5 := within(level_4)

level_6 := within(level_5)

level_7 := within(level_6)

level_8 := within(level_7)

level_9 := within(level_8)

level_10 := within(level_9)

# The modules that modules call.
within(level) := {trim_prefix(sprintf("%s.%s", [path, name]), "."): call.module |
	some path, module in level
	some name, call in module.module_calls
}

# The calls of modules, each with how people name it: module.a.module.b.
calls contains {"address": prefixed(path, sprintf("module.%s", [name])), "call": call} if {
	some path, module in modules
	some name, call in module.module_calls
}

# What the configuration says of resources and data sources, each with how people name it.
configured contains {"address": prefixed(path, resource.address), "resource": resource, "module": path} if {
	some path, module in modules
	some resource in module.resources
}

prefixed("", address) := address

prefixed(path, address) := sprintf("module.%s.%s", [replace(path, ".", ".module."), address]) if path != ""

# What a policy answers: which resource, what is wrong with it and what to do.
denial(change, text) := {
	"address": change.address,
	"msg": sprintf("%s: %s", [change.address, text]),
}
