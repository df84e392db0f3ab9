package statehouse.plan_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.plan

sample := {"type": "t", "after": {"a": 1, "block": [{"b": null, "c": ""}]}, "unknown": {"x": true, "block": [{"d": true}]}}

test_made_has_what_is_made if {
	found := {change.address | some change in plan.made.t} with input as fixture.made(sample)
	found == fixture.addresses(sample)
}

test_made_lacks_what_stays_goes_or_is_read if {
	not plan.made.t with input as fixture.left(sample)
}

test_destroyed_has_what_goes_and_what_is_replaced if {
	count(plan.destroyed.t) == 2 with input as fixture.destroyed(sample)
	count(plan.destroyed.t) == 2 with input as fixture.replaced(sample)
	not plan.destroyed.t with input as {"resource_changes": [fixture.resource(sample, "", ["create"], {})]}
}

test_replaced_is_both if {
	every change in fixture.replaced(sample).resource_changes {
		plan.is_replaced(change)
	}
	every change in fixture.destroyed(sample).resource_changes {
		not plan.is_replaced(change)
	}
}

sample_change := fixture.resource(sample, "", ["create"], {})

test_unknown_is_told_for_a_value_and_what_holds_it if {
	plan.is_unknown(sample_change, ["x"])
	plan.is_unknown(sample_change, ["x", 0, "y"])
	plan.is_unknown(sample_change, ["block", 0, "d"])
	not plan.is_unknown(sample_change, ["a"])
	not plan.is_unknown(sample_change, ["block", 0, "b"])
	not plan.is_unknown(sample_change, ["none"])
}

test_given_is_known_or_referred_to if {
	plan.is_given(sample_change, ["a"])
	plan.is_given(sample_change, ["x"])
	not plan.is_given(sample_change, ["none"])
	not plan.is_given(sample_change, ["block", 0, "b"])
	not plan.is_given(sample_change, ["block", 0, "c"])
}

test_blocks_are_a_list if {
	count(plan.blocks(sample_change, "block")) == 1
	plan.blocks(sample_change, "a") == []
	plan.blocks(sample_change, "none") == []
}

test_likeness_knows_stars if {
	plan.is_like_any("t3.micro", ["m5.*", "t3.*"])
	plan.is_like_any("a/b/c", ["a/*"])
	not plan.is_like_any("t2.micro", ["t3.*"])
	not plan.is_like_any("t2.micro", [])
}

test_statements_are_a_list if {
	plan.statements(`{"Statement": {"Effect": "Allow"}}`) == [{"Effect": "Allow"}]
	plan.statements(`{"Statement": [{"Effect": "Deny"}]}`) == [{"Effect": "Deny"}]
	plan.statements("no JSON") == []
	plan.statements(`{}`) == []
	plan.statements(null) == []
}

test_the_internet_has_many_names if {
	plan.is_everywhere("0.0.0.0/0")
	plan.is_everywhere("::/0")
	not plan.is_everywhere("10.0.0.0/8")
}

test_a_denial_names_the_resource if {
	plan.denial({"address": "a.b"}, "is wrong") == {"address": "a.b", "msg": "a.b: is wrong"}
}

configuration := {"root_module": {
	"resources": [{"address": "a.b", "type": "a", "mode": "managed"}],
	"module_calls": {"one": {"source": "./one", "module": {
		"resources": [{"address": "data.c.d", "type": "c", "mode": "data"}],
		"module_calls": {"two": {"source": "./two", "module": {"resources": [{"address": "e.f", "type": "e", "mode": "managed"}]}}},
	}}},
}}

test_modules_are_found_by_their_calls if {
	object.keys(plan.modules) == {"", "one", "one.two"} with input as {"configuration": configuration}
	plan.modules == {} with input as {"resource_changes": []}
}

test_calls_and_resources_of_the_configuration_have_addresses if {
	{call.address | some call in plan.calls} == {"module.one", "module.one.module.two"} with input as {"configuration": configuration}
	{one.address | some one in plan.configured} == {"a.b", "module.one.data.c.d", "module.one.module.two.e.f"} with input as {"configuration": configuration}
}

test_texts_like_no_pattern_are_told if {
	plan.unlike({"t3.micro", "p5.large", null}, ["t3.*"]) == {"p5.large"}
	plan.unlike(set(), []) == set()
}
