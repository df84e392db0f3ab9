use rust_decimal::Decimal;

use super::book::Book;
use super::build::Builder;
use super::overlay::Overlay;
use super::*;

fn row(attributes: &str, region: &str, price: &str, from: u32) -> Row {
    let mut attributes: Vec<(String, String)> = attributes
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    attributes.sort();
    Row {
        service: "AmazonEC2".to_owned(),
        family: "Compute Instance".to_owned(),
        region: region.to_owned(),
        attributes,
        unit: "Hrs".to_owned(),
        price: price.parse().unwrap(),
        tier_from: Decimal::ZERO,
        tier_to: None,
        currency: "USD".to_owned(),
        effective_from: from,
        effective_to: 0,
        quality: Quality::Listed,
        source: "list".to_owned(),
    }
}

fn rows() -> Vec<Row> {
    vec![
        row(
            "instance_type=m5.large;os=Linux",
            "eu-west-1",
            "0.10",
            20_250_101,
        ),
        row(
            "instance_type=m5.large;os=Linux",
            "eu-west-1",
            "0.09",
            20_260_101,
        ),
        row(
            "instance_type=m5.large;os=Windows",
            "eu-west-1",
            "0.20",
            20_250_101,
        ),
        row(
            "instance_type=m5.large;os=Linux;purchase=spot",
            "eu-west-1",
            "0.03",
            20_250_101,
        ),
        row(
            "instance_type=c5.large;os=Linux",
            "us-east-1",
            "0.07",
            20_250_101,
        ),
        row(
            "instance_type=c5.large;os=Linux",
            "us-east-2",
            "0.07",
            20_250_101,
        ),
        row(
            "instance_type=r5.large;os=Linux",
            "us-east-1",
            "0.11",
            20_250_101,
        ),
        row(
            "instance_type=r5.large;os=Linux",
            "us-east-2",
            "0.12",
            20_250_101,
        ),
        row(
            "instance_type=x1.large;os=Linux;hidden=a",
            "us-east-1",
            "1",
            20_250_101,
        ),
        row(
            "instance_type=x1.large;os=Linux;hidden=b",
            "us-east-1",
            "2",
            20_250_101,
        ),
        row("instance_type=any.large;os=Linux", "", "5", 0),
    ]
}

fn book(rows: &[Row]) -> Book {
    let mut builder = Builder::default();
    for row in rows {
        builder.add(row).unwrap();
    }
    builder.book("test", "2026-08-21").unwrap()
}

fn asked<'q>(attributes: &'q str, region: &'q str, date: u32, elsewhere: bool) -> Question<'q> {
    Question {
        service: "AmazonEC2",
        family: Some("Compute Instance"),
        region,
        attributes: attributes
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .collect(),
        date,
        elsewhere,
    }
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Found(found) => format!("{} {}", found.price.normalize(), found.quality.name()),
        Answer::Nothing => "nothing".to_owned(),
        Answer::Ambiguous(prices) => format!("{} prices", prices.len()),
    }
}

/// What is asked for, where, when, whether elsewhere counts, and the answer.
const ASKED: &str = "
instance_type=m5.large;os=Linux;purchase=on_demand | eu-west-1 | 20260821 | no | 0.09 listed
instance_type=M5.Large;os=linux;purchase=on_demand | eu-west-1 | 20260821 | no | 0.09 listed
instance_type=m5.large;os=Linux;purchase=on_demand | eu-west-1 | 20250601 | no | 0.1 listed
instance_type=m5.large;os=Linux | eu-west-1 | 20240101 | no | nothing
instance_type=m5.large;os=Windows | eu-west-1 | 20260821 | no | 0.2 listed
instance_type=m5.large;os=Linux;purchase=spot | eu-west-1 | 20260821 | no | 0.03 listed
instance_type=m5.large;os=Linux;purchase=reserved | eu-west-1 | 20260821 | no | nothing
instance_type=m5.large;os=RHEL | eu-west-1 | 20260821 | no | nothing
instance_type=m5.huge;os=Linux | eu-west-1 | 20260821 | no | nothing
instance_type=c5.large;os=Linux | eu-west-1 | 20260821 | no | nothing
instance_type=c5.large;os=Linux | eu-west-1 | 20260821 | yes | 0.07 estimated
instance_type=r5.large;os=Linux | eu-west-1 | 20260821 | yes | nothing
instance_type=x1.large;os=Linux | us-east-1 | 20260821 | no | 2 prices
instance_type=x1.large;os=Linux;hidden=b | us-east-1 | 20260821 | no | 2 listed
instance_type=any.large;os=Linux | anywhere | 20260821 | no | 5 listed
";

#[test]
fn a_book_answers_with_the_one_price_that_fits() {
    let book = book(&rows());
    for line in ASKED.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [attributes, region, date, elsewhere, wanted] = *fields else {
            panic!("{line}");
        };
        let question = asked(
            attributes,
            region,
            date.parse().unwrap(),
            elsewhere == "yes",
        );
        assert_eq!(shown(&book.ask(&question)), wanted, "{line}");
    }
}

#[test]
fn a_book_gives_back_the_rows_it_was_given() {
    let book = book(&rows());
    let mut given = rows();
    let mut kept: Vec<Row> = (0..book.len()).map(|at| book.row(at)).collect();
    let key = |row: &Row| format!("{row:?}");
    given.sort_by_key(key);
    kept.sort_by_key(key);
    assert_eq!(kept, given);
    assert!(book.is_whole());
}

#[test]
fn the_same_rows_in_another_order_are_the_same_book() {
    let mut other = rows();
    other.reverse();
    assert_eq!(book(&rows()).digest(), book(&other).digest());
    other.pop();
    assert_ne!(book(&rows()).digest(), book(&other).digest());
}

#[test]
fn a_damaged_book_is_refused() {
    let mut builder = Builder::default();
    for row in rows() {
        builder.add(&row).unwrap();
    }
    let whole = builder.finish("test", "2026-08-21").unwrap();
    let refused = |bytes: Vec<u8>| Book::from_bytes("b", bytes.into(), true).is_err();
    assert!(!refused(whole.clone()));
    for cut in [0, 7, 8, 40, 100, whole.len() / 2, whole.len() - 1] {
        assert!(refused(whole[..cut].to_vec()), "cut to {cut}");
    }
    for at in (0..whole.len()).step_by(37) {
        let mut bent = whole.clone();
        bent[at] ^= 0x55;
        assert!(refused(bent), "bent at {at}");
    }
}

#[test]
fn bytes_that_nobody_checked_break_nothing() {
    let mut builder = Builder::default();
    for row in rows() {
        builder.add(&row).unwrap();
    }
    let whole = builder.finish("test", "2026-08-21").unwrap();
    let question = asked(
        "instance_type=m5.large;os=Linux",
        "eu-west-1",
        20_260_821,
        true,
    );
    for at in 8..whole.len() {
        let mut bent = whole.clone();
        bent[at] = bent[at].wrapping_add(0x7f);
        if let Ok(book) = Book::from_bytes("b", bent.into(), false) {
            book.ask(&question);
            for at in 0..book.len().min(64) {
                book.row(at);
            }
        }
    }
}

type Edit = fn(&mut Row);

#[test]
fn a_row_that_cannot_be_is_refused_with_the_reason() {
    let change = |edit: fn(&mut Row)| {
        let mut row = row("instance_type=a", "r", "1", 0);
        edit(&mut row);
        Builder::default()
            .add(&row)
            .map_err(|error| error.to_string())
    };
    assert_eq!(change(|_| ()), Ok(()));
    let edits: [(Edit, &str); 5] = [
        (|row| row.price = Decimal::NEGATIVE_ONE, "is negative"),
        (|row| row.price = Decimal::from(2_000_000_000), "is above"),
        (|row| row.currency = "usd".to_owned(), "no code"),
        (|row| row.tier_to = Some(Decimal::ZERO), "is empty"),
        (
            |row| row.attributes = vec![("a".to_owned(), "b;c".to_owned())],
            "cannot be an attribute",
        ),
    ];
    for (edit, wanted) in edits {
        assert!(change(edit).unwrap_err().contains(wanted), "{wanted}");
    }
}

#[test]
fn the_starter_book_is_whole() {
    let book = Book::starter().unwrap();
    assert!(book.is_whole());
}

#[test]
fn prices_of_the_house_lie_over_those_of_the_book() {
    let book = book(&rows());
    let attributes = "instance_type=m5.large;os=Linux;purchase=on_demand";
    for (lines, wanted) in [
        ("", "0.09"),
        ("multiply,AmazonEC2,*,,0.5,,", "0.045"),
        ("multiply,aws_instance,*,,0.5,,", "0.045"),
        ("multiply,AmazonRDS,*,,0.5,,", "0.09"),
        (
            "multiply,*,eu-west-1,,0.5,,\nmultiply,*,*,os=Linux,0.5,,",
            "0.0225",
        ),
        ("multiply,*,us-east-1,,0.5,,", "0.09"),
        ("multiply,*,*,os=Windows,0.5,,", "0.09"),
        ("set,*,*,instance_type=m5.large,0.01,,", "0.01"),
        (
            "set,*,*,instance_type=m5.large,0.01,,\nset,*,*,instance_type=m5.large,0.02,,",
            "0.02",
        ),
        ("set,*,*,,0.01,2027-01-01,", "0.09"),
        ("set,*,*,,0.01,,2026-01-01", "0.09"),
        (
            "set,*,*,,0.01,2026-01-01,2027-01-01\nmultiply,*,*,,2,,",
            "0.01",
        ),
    ] {
        let text =
            format!("op,service,region,attributes,value,effective_from,effective_to\n{lines}\n");
        let overlay = Overlay::read("o.csv", text.as_bytes()).unwrap();
        let question = asked(attributes, "eu-west-1", 20_260_821, false);
        let Answer::Found(found) = book.ask(&question) else {
            panic!("the book has the price");
        };
        let found = overlay.apply(&question, &["AmazonEC2", "aws_instance"], Some(found));
        assert_eq!(
            found.unwrap().price.normalize().to_string(),
            wanted,
            "{lines}"
        );
    }
}

#[test]
fn an_overlay_with_a_mistake_is_answered_with_its_line() {
    let head = "op,service,region,attributes,value,effective_from\n";
    for (text, wanted) in [
        (String::new(), "the overlay is empty"),
        ("op,service\n".to_owned(), "region"),
        (format!("{head}add,*,*,,1,\n"), "o.csv:2"),
        (format!("{head}add,*,*,,1,\n"), "no operation"),
        (format!("{head}set,*,*,,-1,\n"), "is negative"),
        (format!("{head}set,*,*,,x,\n"), "o.csv:2"),
        (format!("{head}set,*,*,,1,tomorrow\n"), "no date"),
    ] {
        let said = match Overlay::read("o.csv", text.as_bytes()) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn dates_are_days_that_are_or_nothing() {
    for (text, wanted) in [
        ("2026-08-21", Some(20_260_821)),
        ("2026-08-21T10:00:00Z", Some(20_260_821)),
        ("2026-13-01", None),
        ("2026-00-01", None),
        ("2026-8-1", None),
        ("", None),
        ("tomorrow!!", None),
    ] {
        assert_eq!(date(text), wanted, "{text}");
    }
}
