# Modules have a version.
#
# Judges calls of modules: one from a registry needs a version constraint, one from Git a reference that does not move:
# a release or a commit.
package statehouse.pinned_modules

import rego.v1

import data.statehouse.plan

deny contains plan.denial(one, "it has no version; add version = \"…\" to the call") if {
	some one in plan.calls
	regex.match(`^([^/:]+[.][^/:]+/)?[^./:]+/[^/:]+/[^/:]+(//.*)?$`, one.call.source)
	not one.call.version_constraint
}

deny contains plan.denial(one, sprintf("its source %s can move; add ?ref= with a release or a commit", [one.call.source])) if {
	some one in plan.calls
	is_git(one.call.source)
	not is_pinned(one.call.source)
}

is_git(source) if startswith(source, "git::")

is_git(source) if startswith(source, "git@")

is_git(source) if regex.match(`^(github|bitbucket)[.](com|org)/`, source)

is_pinned(source) if {
	found := regex.find_n(`[?&]ref=[^&]*`, source, 1)
	regex.match(data.parameters.pinned_modules.references, substring(found[0], 5, -1))
}
