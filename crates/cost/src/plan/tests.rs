use super::*;

#[test]
fn what_is_no_plan_is_refused_and_says_what_to_do() {
    for (text, said) in [
        ("", "this is no plan"),
        (
            "{\"planned_values\":{\"root_module\":{\"resources\":[{",
            "this is no plan",
        ),
        ("[]", "this is no plan"),
        ("{}", "no planned_values"),
        (
            "{\"format_version\":\"9.0\",\"planned_values\":{}}",
            "format version 9.0",
        ),
        (
            "{\"planned_values\":{\"root_module\":{\"resources\":[{\"address\":5}]}}}",
            "invalid type",
        ),
    ] {
        let error = Plan::read(text.as_bytes()).err().unwrap().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn a_state_is_what_there_will_be() {
    let text = r#"{"format_version":"1.0","values":{"root_module":{"resources":[{"address":"a.b","mode":"managed","type":"a"}]}}}"#;
    let plan = Plan::read(text.as_bytes()).unwrap();
    assert_eq!((plan.after.len(), plan.before.len()), (1, 0));
}

#[test]
fn an_instance_is_not_a_part_of_the_configuration() {
    for (address, plain) in [
        ("module.a[0].aws_x.y[\"k[1].z\"]", "module.a.aws_x.y"),
        ("aws_x.y", "aws_x.y"),
    ] {
        assert_eq!(without_instances(address), plain);
    }
}
