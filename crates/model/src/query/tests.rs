use std::collections::BTreeMap;

use proptest::prelude::*;

use std::borrow::Cow;

use super::*;

#[derive(Default)]
struct Instance {
    disconnected: bool,
    version: &'static str,
    ec2: Option<&'static str>,
    registered_at: i64,
    running: u32,
    attributes: BTreeMap<&'static str, Option<&'static str>>,
    groups: Vec<&'static str>,
}

impl Subject for Instance {
    fn agent_connected(&self) -> bool {
        !self.disconnected
    }
    fn agent_version(&self) -> &str {
        self.version
    }
    fn ec2_instance_id(&self) -> Option<Cow<'_, str>> {
        self.ec2.map(Cow::Borrowed)
    }
    fn registered_at(&self) -> Timestamp {
        Timestamp::from_millis(self.registered_at)
    }
    fn running_tasks_count(&self) -> u32 {
        self.running
    }
    fn attribute(&self, name: &str) -> Option<Option<&str>> {
        self.attributes.get(name).copied()
    }
    fn hosts_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.groups.iter().any(|group| test(group))
    }
}

fn instance() -> Instance {
    Instance {
        version: "1.14.5",
        ec2: Some("i-a"),
        registered_at: 1_518_480_000_000,
        running: 2,
        attributes: BTreeMap::from([
            ("ecs.instance-type", Some("t2.small")),
            ("ecs.availability-zone", Some("us-east-1a")),
            ("stack", Some("test")),
            ("capability", None),
        ]),
        groups: vec!["service:web", "family:batch"],
        ..Instance::default()
    }
}

/// The rules of the language on one instance.
#[test]
fn expressions_hold_or_do_not() {
    let subject = instance();
    for (text, holds) in [
        (
            "attribute:ecs.instance-type =~ t2.* and attribute:ecs.availability-zone != us-east-1d",
            true,
        ),
        (
            "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
            true,
        ),
        (
            "attribute:ecs.availability-zone not_in ['us-east-1a']",
            false,
        ),
        ("attribute:stack exists", true),
        ("attribute:stack EXISTS", true),
        ("attribute:other exists", false),
        ("attribute:other !exists", true),
        ("attribute:other not_exists", true),
        ("attribute:capability exists", true),
        ("attribute:capability == ''", true),
        // What is absent is neither equal nor unequal.
        ("attribute:stack != prod", true),
        ("attribute:other != prod", false),
        ("attribute:other !in [prod]", false),
        ("attribute:other !~ prod", false),
        ("not(attribute:other == prod)", true),
        ("attribute:stack > prod", true),
        ("attribute:stack less_than prod", false),
        // Full match.
        ("attribute:ecs.instance-type =~ t2", false),
        ("attribute:ecs.instance-type =~ t[12].(small|large)", true),
        ("(attribute:ecs.instance-type =~ t[13].*)", false),
        (
            "(attribute:ecs.instance-type !~ [a-z]3(,|.).*) and agentConnected == true",
            true,
        ),
        ("attribute:ecs.instance-type =~ 't2|t2.small'", true),
        ("attribute:ecs.instance-type not_matches '.*large'", true),
        ("attribute:ecs.instance-type matches \".*small\"", true),
        // Brackets in a pattern need no quotes; one that it did not open ends it.
        ("attribute:ecs.instance-type =~ t[12].small", true),
        ("attribute:ecs.instance-type !~ t[34].small", true),
        ("attribute:ecs.instance-type =~ (t1|t2).small", true),
        ("attribute:ecs.instance-type =~ t2.[a-z]{1,5}", true),
        (
            "(attribute:ecs.instance-type =~ t2.(small|large)) and attribute:stack exists",
            true,
        ),
        ("not(attribute:ecs.instance-type =~ t2[).].*)", false),
        ("attribute:ecs.instance-type =~ t2\\..*", true),
        ("agentConnected == true", true),
        ("agentConnected equals FALSE", false),
        ("agentConnected in [true, false]", true),
        ("agentConnected =~ t.*", true),
        ("agentVersion < 1.14.5", false),
        ("agentVersion <= 1.14.5", true),
        ("agentVersion > 1.9.20", true),
        ("agentVersion == 1.14.5.0", true),
        ("agentVersion greater_than_equal 1.15", false),
        ("registeredAt < 2018-02-14", true),
        ("registeredAt == 2018-02-13", true),
        ("registeredAt >= 2018-02-13T01:00:00+01:00", true),
        ("registeredAt not_equals 2018-02-13T00:00:00Z", false),
        ("runningTasksCount == 2", true),
        ("runningTasksCount >= 3", false),
        ("RUNNINGTASKSCOUNT<3", true),
        ("ec2InstanceId in ['i-a','i-b']", true),
        ("ec2InstanceId != i-a", false),
        ("task:group == service:web", true),
        ("task:group == service:db", false),
        ("not(task:group == service:web)", false),
        ("task:group != service:db", true),
        ("task:group != service:web", false),
        ("task:group =~ family:.*", true),
        ("task:group !~ family:.*", false),
        ("task:group in [service:db, family:batch]", true),
        ("task:group !in [service:db]", true),
        // not binds closer than and, and closer than or.
        (
            "attribute:stack == test or attribute:stack == a and attribute:stack == b",
            true,
        ),
        (
            "(attribute:stack == test or attribute:stack == a) and attribute:stack == b",
            false,
        ),
        ("not attribute:stack == a and attribute:stack == test", true),
        (
            "!attribute:stack == a && !(attribute:stack == b) || runningTasksCount == 9",
            true,
        ),
        ("! ! attribute:stack == test", true),
        ("NOT(attribute:stack==test)", false),
    ] {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.evaluate(&subject), holds, "{text}");
        assert_eq!(expression.to_string(), text);
        let canonical = expression.root().to_string();
        assert_eq!(
            Expression::parse(&canonical).map(|again| again.root),
            Ok(expression.root),
            "{canonical}"
        );
    }
}

#[test]
fn an_instance_without_an_ec2_id_or_a_version_compares_as_absent() {
    let subject = Instance {
        version: "latest",
        ..Instance::default()
    };
    for text in [
        "ec2InstanceId == i-a",
        "ec2InstanceId != i-a",
        "agentVersion > 0",
        "agentVersion < 9",
    ] {
        assert!(
            !Expression::parse(text).unwrap().evaluate(&subject),
            "{text}"
        );
    }
}

/// The column and the words of each kind of error.
#[test]
fn errors_name_the_column_and_what_was_expected() {
    for (text, column, words) in [
        ("", None, "empty"),
        ("  ", None, "empty"),
        ("foo == 1", Some(1), "expected a subject"),
        ("attribute:a == 1 foo", Some(18), "\"and\", \"or\""),
        ("attribute:a == 1 and", Some(21), "expected a subject"),
        ("(attribute:a == 1", Some(18), "the \")\" for column 1"),
        ("attribute:a == 1)", Some(17), "found \")\""),
        ("attribute:a in 1", Some(16), "\"[\""),
        ("attribute:a in []", Some(17), "a value"),
        ("attribute:a in [1 2]", Some(19), "\",\" or \"]\""),
        ("attribute:a == 'x", Some(16), "closing '"),
        ("attribute:a", Some(12), "exists, !exists"),
        ("attribute:a ==", Some(15), "a value"),
        ("attribute: == 1", Some(1), "attribute name"),
        ("agentConnected > true", Some(16), "==, !=, in, !in"),
        ("agentConnected == yes", Some(19), "neither true nor false"),
        ("agentConnected exists", Some(16), "expected =="),
        ("agentVersion == 1.x", Some(17), "dotted numbers"),
        ("agentVersion in [1]", Some(14), "==, !=, >"),
        ("registeredAt < yesterday", Some(16), "is no date"),
        ("runningTasksCount == -1", Some(22), "whole number"),
        ("task:group exists", Some(12), "==, !="),
        ("attribute:a =~ (b", Some(16), "unclosed group"),
        ("attribute:a =~ b[a", Some(16), "unclosed character class"),
        (
            "attribute:a =~ b) exists",
            Some(17),
            "the end of the expression",
        ),
        ("(attribute:a =~ )", Some(17), "a value"),
        ("attribute:a =~ '(b'", Some(16), "unclosed group"),
        ("attribute:a =~ '(?=b)'", Some(16), "look-around"),
        ("attribute:a =~ 'a)|(b'", Some(16), "unopened group"),
        ("attribute:a =~ '((a{99}){99}){99}'", Some(16), "too large"),
    ] {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!(error.column(), column, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let long = |length: usize| format!("attribute:a == {}", "x".repeat(length - 15));
    assert!(Expression::parse(&long(MAX_LENGTH)).is_ok());
    assert_eq!(
        Expression::parse(&long(MAX_LENGTH + 1)),
        Err(QueryError::TooLong {
            length: MAX_LENGTH + 1
        })
    );
    for opening in ["(", "!", "not "] {
        let text = format!("{}attribute:a == 1", opening.repeat(MAX_LENGTH / 5));
        let error = Expression::parse(&text).expect_err("too deep");
        assert!(error.to_string().contains("nested"), "{error}");
    }
}

#[test]
fn an_expression_tells_what_it_reads() {
    for (text, agent, tasks) in [
        ("attribute:a exists and ec2InstanceId == b", false, false),
        ("not(agentConnected == true)", true, false),
        (
            "registeredAt > 2018-01-01 or agentVersion == 1",
            true,
            false,
        ),
        (
            "attribute:a == b and (runningTasksCount == 0 or task:group == c)",
            false,
            true,
        ),
    ] {
        let reads = Expression::parse(text).unwrap().reads();
        assert_eq!((reads.agent, reads.tasks), (agent, tasks), "{text}");
    }
}

#[test]
fn an_expression_is_stored_as_its_text() {
    let expression = Expression::parse("attribute:a  ==  'b c'").unwrap();
    let stored = serde_json::to_string(&expression).unwrap();
    assert_eq!(stored, "\"attribute:a  ==  'b c'\"");
    assert_eq!(
        serde_json::from_str::<Expression>(&stored).unwrap(),
        expression
    );
    assert!(serde_json::from_str::<Expression>("\"attribute:a\"").is_err());
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    let orders = [
        Order::Equal,
        Order::NotEqual,
        Order::Greater,
        Order::GreaterEqual,
        Order::Less,
        Order::LessEqual,
    ];
    let order = proptest::sample::select(orders.to_vec());
    let value = "[a-z=!<>' ()\\[\\],.]{0,6}";
    let patterns = ["t2.*", "a|b", "(a|b)+ c", "[a-c]'", "x, y"];
    let pattern =
        proptest::sample::select(patterns.to_vec()).prop_map(|text| Pattern::new(text).unwrap());
    let test = prop_oneof![
        Just(Test::Exists),
        Just(Test::NotExists),
        (order.clone(), value).prop_map(|(order, value)| Test::Order(order, value)),
        proptest::collection::vec(value, 1..4).prop_map(Test::In),
        proptest::collection::vec(value, 1..4).prop_map(Test::NotIn),
        pattern.clone().prop_map(Test::Matches),
        pattern.clone().prop_map(Test::NotMatches),
    ];
    prop_oneof![
        ("[a-zA-Z0-9._/-]{1,12}", test)
            .prop_map(|(name, test)| Comparison::Text(Name::Attribute(name), test)),
        value.prop_map(|value| {
            Comparison::Text(Name::TaskGroup, Test::Order(Order::NotEqual, value))
        }),
        pattern.prop_map(|pattern| Comparison::Text(Name::Ec2InstanceId, Test::Matches(pattern))),
        Just(Comparison::Text(
            Name::AgentConnected,
            Test::In(vec!["true".into(), "false".into()])
        )),
        (order.clone(), "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}").prop_map(|(order, text)| {
            Comparison::Version(order, Version::parse(&text).unwrap())
        }),
        (order.clone(), any::<u32>())
            .prop_map(|(order, count)| Comparison::RunningTasks(order, count)),
        (order, 1970_u32..2100, 1_u32..13, 1_u32..29).prop_map(|(order, year, month, day)| {
            let text = format!("{year}-{month:02}-{day:02}");
            let at = date::parse(&text).unwrap();
            Comparison::RegisteredAt(order, text, at)
        }),
    ]
}

fn terms() -> impl Strategy<Value = Term> {
    let leaf = comparisons().prop_map(Term::Comparison);
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Term::Or),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Term::And),
            inner.prop_map(|term| Term::Not(Box::new(term))),
        ]
    })
}

proptest! {
    /// A term written down reads as itself.
    #[test]
    fn terms_round_trip(term in terms()) {
        let text = term.to_string();
        match Expression::parse(&text) {
            Ok(expression) => prop_assert_eq!(expression.root(), &term, "{}", text),
            Err(error) => prop_assert!(matches!(error, QueryError::TooLong { .. }), "{text}: {error}"),
        }
    }

    /// Nothing that can be typed does more than be refused, and an error points into the text.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~]{0,60}|(attribute:a|not|and|or|\\(|\\)|==|=~|in|\\[|\\]|,|'| |!|b){0,30}|\\PC{0,30}") {
        match Expression::parse(&text) {
            Ok(expression) => {
                expression.evaluate(&instance());
            }
            Err(error) => {
                let column = error.column().unwrap_or(1);
                prop_assert!((1..=text.chars().count() + 1).contains(&column), "{text}: {error}");
            }
        }
    }
}
