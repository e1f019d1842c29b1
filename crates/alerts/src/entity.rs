//! Who and what an alert is about, read through the views of the schema `entity`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_engine::reference::when_holds;
use rulestone_events::{Event, ScopeKind, Views};

/// Somebody or something that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What it is.
    pub kind: EntityType,
    /// Its name.
    pub value: String,
    /// Its part in what happened, where the event or the rule says it.
    pub role: Option<Role>,
    /// What it risks by this alert, 0 to 100, where the rule says it.
    pub score: Option<u8>,
}

/// What an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityType {
    /// A computer.
    Host,
    /// A user's or a service's account.
    User,
    /// An address.
    Ip,
    /// A program, by its path.
    Process,
    /// A customer's account at a cloud provider.
    Account,
    /// A file, by its name or path.
    File,
    /// A hash of a file.
    Hash,
    /// The address of a page.
    Url,
    /// A name in the domain name system.
    Domain,
    /// An address of mail.
    Email,
    /// A key or value of the registry.
    Registry,
    /// A service.
    Service,
    /// A command line.
    Command,
    /// A place on earth.
    Location,
    /// A container.
    Container,
    /// Anything else that a rule names.
    Other,
}

/// The part of an entity in what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It did it.
    Actor,
    /// It was done to it.
    Target,
    /// It began a connection.
    Source,
    /// A connection went to it.
    Destination,
    /// It was attacked, says the rule.
    Victim,
    /// It attacked, says the rule.
    Attacker,
}

impl EntityType {
    /// All of them.
    pub const ALL: [EntityType; 16] = [
        EntityType::Host,
        EntityType::User,
        EntityType::Ip,
        EntityType::Process,
        EntityType::Account,
        EntityType::File,
        EntityType::Hash,
        EntityType::Url,
        EntityType::Domain,
        EntityType::Email,
        EntityType::Registry,
        EntityType::Service,
        EntityType::Command,
        EntityType::Location,
        EntityType::Container,
        EntityType::Other,
    ];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntityType::Host => "host",
            EntityType::User => "user",
            EntityType::Ip => "ip",
            EntityType::Process => "process",
            EntityType::Account => "account",
            EntityType::File => "file",
            EntityType::Hash => "hash",
            EntityType::Url => "url",
            EntityType::Domain => "domain",
            EntityType::Email => "email",
            EntityType::Registry => "registry",
            EntityType::Service => "service",
            EntityType::Command => "command",
            EntityType::Location => "location",
            EntityType::Container => "container",
            EntityType::Other => "other",
        }
    }

    /// The type of that word; `Other` for a word that is none.
    pub(crate) fn of(word: &str) -> EntityType {
        EntityType::ALL.into_iter().find(|own| own.as_str() == word).unwrap_or(EntityType::Other)
    }
}

impl Role {
    /// All of them.
    const ALL: [Role; 6] =
        [Role::Actor, Role::Target, Role::Source, Role::Destination, Role::Victim, Role::Attacker];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Actor => "actor",
            Role::Target => "target",
            Role::Source => "source",
            Role::Destination => "destination",
            Role::Victim => "victim",
            Role::Attacker => "attacker",
        }
    }

    /// The role of that word.
    pub(crate) fn of(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|own| own.as_str() == word)
    }
}

/// The fields of the schema that name entities, in the order of the output.
const FIELDS: &[(&str, EntityType, Option<Role>)] = &[
    ("host", EntityType::Host, None),
    ("user", EntityType::User, Some(Role::Actor)),
    ("target_user", EntityType::User, Some(Role::Target)),
    ("source_ip", EntityType::Ip, Some(Role::Source)),
    ("destination_ip", EntityType::Ip, Some(Role::Destination)),
    ("process", EntityType::Process, Some(Role::Actor)),
    ("account", EntityType::Account, None),
];

/// What a field of the schema names.
pub(crate) fn part_of(field: &str) -> Option<(EntityType, Option<Role>)> {
    FIELDS.iter().find(|(own, ..)| *own == field).map(|(_, kind, role)| (*kind, *role))
}

/// An event through the tables of the schema `entity`.
pub(crate) struct EntityView<'a> {
    event: &'a Event,
    kind: Option<Arc<ScopeKind>>,
}

impl<'a> EntityView<'a> {
    pub(crate) fn new(event: &'a Event, views: &Views) -> Self {
        let keys = BTreeMap::from([("product".into(), event.kind.product.clone())]);
        let kinds = views.scope("entity", &keys);
        let mut serving = ScopeKind::serving(&kinds, &event.kind);
        let kind = serving.find(|(_, kind)| when_holds(kind, event)).map(|(_, kind)| kind.clone());
        EntityView { event, kind }
    }

    /// What a field of the schema reads, as text; `None` where the tables or the event have
    /// nothing. Of several values the first counts.
    pub(crate) fn text(&self, field: &str) -> Option<String> {
        let expr = self.kind.as_ref()?.own_field(field)?;
        let value = expr.value(&|raw| self.event.value(raw));
        let text = value.elements().first()?.text()?.into_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The entities of the event, each once: an account that did something to itself is no target.
    pub(crate) fn entities(&self) -> Vec<Entity> {
        let mut entities: Vec<Entity> = Vec::with_capacity(FIELDS.len());
        for (field, kind, role) in FIELDS {
            let Some(value) = self.text(field) else { continue };
            let known = |own: &Entity| own.kind == *kind && own.value.eq_ignore_ascii_case(&value);
            if !entities.iter().any(known) {
                entities.push(Entity { kind: *kind, value, role: *role, score: None });
            }
        }
        entities
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{event, json_event, sysmon};

    fn entities_of(event: &Event) -> String {
        let views = Views::built_in().unwrap();
        let entities = EntityView::new(event, &views).entities();
        let texts = entities.iter().map(|entity| {
            let role = entity.role.map_or("", Role::as_str);
            format!("{}:{role}={}", entity.kind.as_str(), entity.value)
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_names_are_those_that_exceptions_may_use() {
        let own: Vec<&str> = FIELDS.iter().map(|(field, ..)| *field).collect();
        assert_eq!(rulestone_ir::Schema::Entity.fields(), Some(&own[..]));
    }

    #[test]
    fn events_say_who_and_what() {
        let cases: [(Event, &str); 6] = [
            (
                sysmon(1, &[("User", "CORP\\bob"), ("Image", "C:\\a.exe")]),
                "host:=ws01.corp.example user:actor=CORP\\bob process:actor=C:\\a.exe",
            ),
            (
                sysmon(10, &[("SourceUser", "CORP\\bob"), ("TargetUser", "CORP\\BOB")]),
                "host:=ws01.corp.example user:actor=CORP\\bob",
            ),
            (
                event(
                    "Security",
                    4624,
                    &[
                        ("SubjectUserName", "-"),
                        ("TargetUserName", "amy"),
                        ("TargetDomainName", "CORP"),
                        ("TargetLogonId", "0x52a1"),
                        ("IpAddress", "10.0.0.7"),
                    ],
                ),
                "host:=ws01.corp.example user:actor=CORP\\amy ip:source=10.0.0.7",
            ),
            (
                event(
                    "Security",
                    4724,
                    &[
                        ("SubjectLogonId", "0x3E7"),
                        ("SubjectUserName", "WS01$"),
                        ("TargetUserName", "guest"),
                        ("TargetDomainName", "WS01"),
                    ],
                ),
                "host:=ws01.corp.example user:actor=NT AUTHORITY\\SYSTEM user:target=WS01\\guest",
            ),
            (
                event("System", 7045, &[("Security_UserID", "S-1-5-18")]),
                "host:=ws01.corp.example user:actor=NT AUTHORITY\\SYSTEM",
            ),
            (
                json_event(&[("host.name", "web1"), ("user.name", "root"), ("x", "y")]),
                "host:=web1 user:actor=root",
            ),
        ];
        for (event, expected) in cases {
            assert_eq!(entities_of(&event), expected, "{}", event.kind.label());
        }
    }
}
