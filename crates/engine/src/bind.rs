//! Binding: from rules to a program for each kind of event.
//!
//! What can be decided from the kind alone is decided here: a rule about event 4688 is no part of
//! the program for event 4624. The same knowledge answers which rules can run on given logs.

mod node;
mod pushed;
mod served;
mod summary;
mod traced;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use rulestone_events::{Expr, Fields, Interest, Kind, KindTally, ScopeKind, Views};
use rulestone_ir::{
    Case, Elements, Field, Formula, Input, Predicate, Rule, Schema, Scope, Source, Span, StageKind,
    Test, Timer,
};
use rulestone_value::Value;

use crate::decoded::Numbered;
use crate::feed::{Feed, Wanted};
use crate::matcher::{FieldMatcher, Probe, same_as};
use crate::piped::{Intake, Pipe};
use crate::pipeline::PipelineSettings;
use crate::stages::rows::{Locate, Tools};
use crate::strata::Strata;

use node::Node;
pub use summary::{Absent, BindSummary, Obstacle};

/// All rules, ready to be bound to whatever kinds the logs bring.
pub struct Plan {
    rules: Vec<Arc<Rule>>,
    scopes: Vec<BoundScope>,
    pub(crate) fields: Vec<FieldMatcher>,
    probes: Vec<ProbeUse>,
    pairs: Vec<Predicate>,
    programs: Mutex<Programs>,
    strata: Strata,
    /// For each rule, who reads its findings.
    readers: Vec<Vec<Reader>>,
    /// For each rule, whether its own hits are alerts that somebody looks at.
    raises: Vec<bool>,
    /// For each rule, its pipeline if it has one.
    pipes: Vec<Option<Pipe>>,
    pub(crate) pipelines: PipelineSettings,
}

/// Programs by kind, and by the stratum that all their rules are above of.
type Programs = HashMap<(Arc<Kind>, Option<usize>), Arc<Program>, RandomState>;

/// A stage that reads what a rule finds, or lets through.
pub(crate) struct Reader {
    /// The source of the rule that is read; every one for a rule that is referred to.
    source: Option<usize>,
    /// The rule with the stage.
    rule: usize,
    /// The stage's input.
    input: usize,
    wanted: Wanted,
}

/// The sources that look at one scope.
struct BoundScope {
    kinds: Vec<Arc<ScopeKind>>,
    /// For each kind, what its `when` asks.
    when: Vec<Template>,
    members: Vec<Member>,
}

struct Member {
    rule: usize,
    source: usize,
    filter: Template,
}

/// A formula over probes, before it is bound to a kind.
#[derive(Debug, Clone)]
enum Template {
    And(Vec<Template>),
    Or(Vec<Template>),
    Not(Box<Template>),
    Probe(u32),
    /// A test between two fields, by its place in [`Plan::pairs`].
    Pair(usize),
}

/// What a probe tests.
struct ProbeUse {
    /// Its field's place in [`Plan::fields`].
    field: usize,
    name: Option<Arc<str>>,
    weight: u32,
}

/// What runs on one kind of events.
pub struct Program {
    pub(crate) columns: Vec<BoundColumn>,
    /// How many predicates there are, numbered over all columns.
    pub(crate) predicates: usize,
    /// For each predicate, its column and the name of the field in the rules.
    uses: Vec<(usize, Option<Arc<str>>)>,
    rules: Vec<BoundRule>,
    /// For each predicate, the rules to look at when it holds.
    wakes: Vec<Vec<u32>>,
    /// Rules that may hold when no predicate does.
    always: Vec<u32>,
    fields: Fields,
    /// The event's own fields that rows are made of which wait as codes; sorted.
    pub(crate) coded: Vec<Arc<str>>,
}

/// A rule as it is on one kind.
pub struct BoundRule {
    /// The rule's place in the plan.
    pub rule: usize,
    /// The source's place in the rule.
    pub source: usize,
    /// How fields read.
    pub scope_kind: Arc<ScopeKind>,
    /// Whether a hit is a finding that somebody looks at.
    pub raises: bool,
    /// The stages that want a hit's row.
    pub(crate) feeds: Vec<Feed>,
    /// How the columns read that the rule's pipeline wants.
    pub(crate) intake: Option<Intake>,
    /// Whether its rows can wait as codes until a pane wants them.
    waits: bool,
    node: Node,
}

/// What a column reads, and which predicates look at it.
pub(crate) struct BoundColumn {
    pub(crate) reads: Reads,
    /// What it reads, as text: equal for columns that read the same.
    pub(crate) reads_text: Arc<str>,
    /// From probes to the program's own numbers.
    pub(crate) own: HashMap<u32, u32, RandomState>,
}

pub(crate) enum Reads {
    /// A field of a schema.
    Value { matcher: usize, expr: Expr },
    /// Two fields of a schema, compared.
    Pair { left: Expr, right: Expr, predicate: Predicate, probe: u32 },
    /// Every field the events have.
    Everything { matcher: usize },
    /// The event's own text, alone or with fields.
    Rendered { matcher: usize, expr: Expr },
    /// The event's own text alone, where it is made of its values.
    Text { matcher: usize },
}

impl Plan {
    /// Binds rules to the kinds that `views` knows.
    pub fn new(rules: Vec<Arc<Rule>>, views: &Views) -> Plan {
        Plan::with_locate(rules, views, None)
    }

    /// The same, with something that knows where addresses are.
    pub fn with_locate(
        rules: Vec<Arc<Rule>>,
        views: &Views,
        locate: Option<Arc<dyn Locate>>,
    ) -> Plan {
        let pipelines = PipelineSettings { memory: 1 << 30, tools: Tools { locate } };
        let mut builder = Builder::default();
        let mut scope_of: HashMap<&Scope, usize, RandomState> = HashMap::default();
        let mut scopes: Vec<BoundScope> = Vec::new();
        for (rule_at, rule) in rules.iter().enumerate() {
            for (source_at, source) in rule.sources.iter().enumerate() {
                let Some((scope, _)) = source.filtered() else { continue };
                let at = *scope_of.entry(scope).or_insert_with(|| {
                    let kinds = views.scope(scope.schema.as_str(), &scope.keys);
                    let when = kinds.iter().map(|kind| builder.when(scope.schema, kind)).collect();
                    scopes.push(BoundScope { kinds, when, members: Vec::new() });
                    scopes.len() - 1
                });
                let filter = pushed::filter(rule, source_at).unwrap_or(Formula::TRUE);
                let filter = builder.template(&filter);
                scopes[at].members.push(Member { rule: rule_at, source: source_at, filter });
            }
        }
        let fields = builder.probes.into_iter().map(FieldMatcher::new).collect();
        let strata = Strata::new(&rules);
        let alerts_are_read =
            rules.iter().any(|r| r.sources.iter().any(|s| matches!(s, Source::Alerts { .. })));
        let pipe = |rule: &Arc<Rule>| Pipe::new(rule, &pipelines);
        let pipes: Vec<Option<Pipe>> = rules.iter().map(pipe).collect();
        let raises = rules.iter().zip(&pipes).map(|(rule, pipe)| {
            let at_once =
                pipe.as_ref().map_or_else(|| rule.stages.is_empty(), |pipe| pipe.row_wise);
            at_once && (alerts_are_read || !rule.trigger.building_block)
        });
        Plan {
            raises: raises.collect(),
            pipes,
            pipelines,
            readers: readers(&rules, &strata),
            strata,
            scopes,
            fields,
            probes: builder.uses,
            pairs: builder.pairs,
            programs: Mutex::default(),
            rules,
        }
    }

    /// The rules, in the order in which they were given.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// In which order the rules run.
    pub fn strata(&self) -> &Strata {
        &self.strata
    }

    /// Whether a rule looks at several rows together.
    pub fn has_state(&self) -> bool {
        let waits = self.pipes.iter().flatten().any(|pipe| !pipe.row_wise);
        waits || self.rules.iter().any(|rule| rule.stateful().is_some())
    }

    /// A rule's pipeline, if it has one.
    pub(crate) fn pipe(&self, rule: usize) -> Option<&Pipe> {
        self.pipes.get(rule)?.as_ref()
    }

    /// Whether a rule reads alerts.
    pub fn reads_alerts(&self) -> bool {
        let reads = |rule: &Arc<Rule>| {
            rule.sources.iter().any(|source| matches!(source, Source::Alerts { .. }))
        };
        self.rules.iter().any(reads)
    }

    /// Whether a rule waits for what a host does not do.
    pub fn needs_hosts(&self) -> bool {
        let waits = |rule: &Arc<Rule>| match rule.stateful().map(|stage| &stage.kind) {
            Some(StageKind::Pattern(pattern)) => pattern.timer == Timer::Host,
            _ => false,
        };
        self.rules.iter().any(waits)
    }

    /// The stages that read a rule's hits or findings, bound to events of one kind. `source` is
    /// the one that let the event through; `None` for a finding.
    pub(crate) fn feeds(
        &self,
        rule: usize,
        source: Option<usize>,
        kind: &Kind,
        scope_kind: &ScopeKind,
    ) -> Vec<Feed> {
        let wants = |reader: &&Reader| reader.source.is_none() || reader.source == source;
        let bind = |reader: &Reader| {
            let Reader { rule, input, wanted, .. } = reader;
            wanted.bind(*rule, *input, scope_kind, |expr| settle(expr, kind))
        };
        self.readers[rule].iter().filter(wants).map(bind).collect()
    }

    /// The program for a kind, made on first sight.
    pub fn program(&self, kind: &Arc<Kind>) -> Arc<Program> {
        self.program_above(kind, None)
    }

    /// The same with those rules alone that are above a stratum.
    pub(crate) fn program_above(&self, kind: &Arc<Kind>, above: Option<usize>) -> Arc<Program> {
        let lock = || self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind.clone(), above);
        if let Some(program) = lock().get(&key) {
            return program.clone();
        }
        // Two threads may make the same program; they are equal.
        let program = Arc::new(Program::new(self, kind, above));
        lock().entry(key).or_insert(program).clone()
    }

    /// Makes ready, on some threads, what otherwise is made when the first value comes: for logs
    /// so large that most of it will be wanted.
    pub fn prepare(&self, jobs: usize) {
        let mut fields: Vec<&FieldMatcher> = self.fields.iter().collect();
        // The largest first, so that no thread is left with it alone at the end.
        fields.sort_by_key(|field| std::cmp::Reverse(field.size()));
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                scope.spawn(|| {
                    while let Some(field) = fields.get(next.fetch_add(1, Ordering::Relaxed)) {
                        field.prepare();
                    }
                });
            }
        });
    }

    /// Times a look-around expression took too many steps on a value and counted as not found.
    pub fn expressions_given_up(&self) -> u64 {
        self.fields.iter().map(FieldMatcher::gave_up).sum()
    }
}

impl Interest for Plan {
    fn fields(&self, kind: &Arc<Kind>) -> Fields {
        self.program(kind).fields.clone()
    }
}

/// For each rule, the stages that read it.
fn readers(rules: &[Arc<Rule>], strata: &Strata) -> Vec<Vec<Reader>> {
    let mut readers: Vec<Vec<Reader>> = rules.iter().map(|_| Vec::new()).collect();
    for (at, rule) in rules.iter().enumerate() {
        let Some(stage) = rule.stateful() else { continue };
        // For each source, the rule it reads, and which of that rule's sources.
        let mut places = Vec::new();
        let mut references = strata.references[at].iter();
        for (source, own) in rule.sources.iter().enumerate() {
            let read = match own {
                Source::RuleRef { .. } => references.next().copied().flatten().map(|r| (r, None)),
                _ => Some((at, Some(source))),
            };
            places.push(read);
        }
        for (input, from) in stage.inputs.iter().enumerate() {
            let Input::Source(source) = from else { continue };
            let Some(Some((read, own))) = places.get(*source).copied() else { continue };
            let Some(wanted) = Wanted::new(rule, input) else { continue };
            readers[read].push(Reader { source: own, rule: at, input, wanted });
        }
    }
    readers
}

/// Numbers probes: equal tests of fields of one name are one probe, in whatever rules they stand.
/// What a name reads is said by a rule's own schema, and mostly it is the same.
#[derive(Default)]
struct Builder {
    /// By name; `None` for any field.
    fields: HashMap<Option<Arc<str>>, usize, RandomState>,
    probes: Vec<Vec<Probe>>,
    uses: Vec<ProbeUse>,
    by_key: HashMap<Vec<u8>, u32, RandomState>,
    pairs: Vec<Predicate>,
}

impl Builder {
    fn template(&mut self, formula: &Formula) -> Template {
        match formula {
            Formula::And(parts) => {
                Template::And(parts.iter().map(|part| self.template(part)).collect())
            }
            Formula::Or(parts) => {
                Template::Or(parts.iter().map(|part| self.template(part)).collect())
            }
            Formula::Not(part) => Template::Not(Box::new(self.template(part))),
            Formula::Group(group) => self.template(&group.formula),
            Formula::Test(predicate) if matches!(predicate.test, Test::SameAs(..)) => {
                self.pairs.push(predicate.clone());
                Template::Pair(self.pairs.len() - 1)
            }
            Formula::Test(predicate) => Template::Probe(self.probe(predicate)),
            // Filters of sources have none: what tests alone cannot say is a stage of its own.
            Formula::IsTrue(_) => Template::And(Vec::new()),
        }
    }

    fn when(&mut self, schema: Schema, kind: &ScopeKind) -> Template {
        let fields = kind.when.iter().map(|(name, values)| {
            let tests = values.iter().map(|value| {
                Template::Probe(self.probe(&Predicate {
                    field: Field::Named { schema, name: name.clone() },
                    elements: Elements::Any,
                    test: Test::Equals(value.clone()),
                    case: Case::Insensitive,
                    span: Span::default(),
                }))
            });
            Template::Or(tests.collect())
        });
        Template::And(fields.collect())
    }

    fn probe(&mut self, predicate: &Predicate) -> u32 {
        let next = self.probes.len();
        let name = match &predicate.field {
            Field::Named { name, .. } => Some(name.clone()),
            Field::Any => None,
        };
        let field = *self.fields.entry(name.clone()).or_insert(next);
        if field == next {
            self.probes.push(Vec::new());
        }
        let key = key_of(field, predicate);
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let id = self.uses.len() as u32;
        self.by_key.insert(key, id);
        self.uses.push(ProbeUse { field, name, weight: weight(&predicate.test) });
        let Predicate { test, case, elements, .. } = predicate.clone();
        self.probes[field].push(Probe { id, test, case, elements });
        id
    }
}

/// Equal for equal tests of equal fields.
fn key_of(field: usize, predicate: &Predicate) -> Vec<u8> {
    let mut key = field.to_le_bytes().to_vec();
    key.push(predicate.case as u8);
    key.push(predicate.elements as u8);
    key.extend(predicate.test.name().bytes());
    key.push(0);
    match &predicate.test {
        Test::Wildcard(glob) => key.extend(format!("{glob:?}").bytes()),
        Test::Term(glob, breakers) => key.extend(format!("{glob:?} {breakers:?}").bytes()),
        Test::Regex(regex) => key.extend(format!("{regex:?}").bytes()),
        test => key.extend(test.pattern().bytes()),
    }
    key
}

/// How often a test may hold, roughly: rules wait for their rarest.
fn weight(test: &Test) -> u32 {
    let by_length = |base: u32, text: &str| base + 400 / (text.len() as u32 + 1);
    match test {
        Test::Equals(text) => by_length(4, text),
        Test::StartsWith(text) | Test::EndsWith(text) => by_length(8, text),
        Test::Contains(text) => by_length(10, text),
        Test::Wildcard(_) | Test::Term(..) | Test::Regex(_) | Test::Cidr(_) => 40,
        Test::Number(..) | Test::TimePart(..) => 500,
        Test::SameAs(..) => 1000,
        Test::Exists => 100_000,
    }
}

impl Program {
    fn new(plan: &Plan, kind: &Arc<Kind>, above: Option<usize>) -> Program {
        let mut binder = Binder::new(plan, kind, above);
        for scope in &plan.scopes {
            for (at, scope_kind) in ScopeKind::serving(&scope.kinds, kind) {
                binder.bind_scope(scope, scope_kind, &scope.when[at]);
            }
        }
        binder.finish()
    }

    /// The rules on this kind.
    pub fn rules(&self) -> &[BoundRule] {
        &self.rules
    }

    /// The event's own fields that the rules read.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The rules that hold, given the predicates that do. In order, each once.
    pub(crate) fn decide(&self, holding: impl Iterator<Item = u32>, held: &[bool]) -> Vec<u32> {
        let mut candidates = self.always.clone();
        for predicate in holding {
            candidates.extend(&self.wakes[predicate as usize]);
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates.retain(|at| self.rules[*at as usize].node.holds(held));
        candidates
    }

    /// Of rules that hold for an event those to look at at once, and those whose rows can wait: of
    /// a rule whose rows wait every source lets an event through once, in the way that comes first.
    pub(crate) fn split(&self, rules: &[u32]) -> (Vec<u32>, Vec<u32>) {
        // For each rule and source, whether the first way waits.
        let mut met: HashMap<(usize, usize), bool, RandomState> = HashMap::default();
        let (mut now, mut waiting, mut known) = (Vec::new(), Vec::new(), 0);
        for at in rules {
            let bound = &self.rules[*at as usize];
            let first_waits = *met.entry((bound.rule, bound.source)).or_insert(bound.waits);
            let is_new = met.len() > known;
            known = met.len();
            match (first_waits, bound.waits) {
                (true, _) if is_new => waiting.push(*at),
                (false, false) => now.push(*at),
                _ => {}
            }
        }
        (now, waiting)
    }

    /// For each predicate, whether the events that were counted have nothing for it to look at.
    fn absent(&self, counted: &KindTally) -> Vec<bool> {
        let is_absent = |column: &BoundColumn| {
            let inputs = column.reads.inputs();
            !inputs.is_empty() && !inputs.iter().any(|input| counted.fields.contains(input))
        };
        let columns: Vec<bool> = self.columns.iter().map(is_absent).collect();
        self.uses.iter().map(|(column, _)| columns[*column]).collect()
    }

    /// The fields without which a rule cannot fire on a kind; `None` when nothing keeps it.
    fn missing_fields(&self, bound: &BoundRule, absent: &[bool]) -> Option<Vec<Arc<str>>> {
        if bound.node.may_hold(absent) {
            return None;
        }
        let mut predicates = Vec::new();
        bound.node.collect(&mut predicates);
        let missing = predicates.into_iter().filter(|own| absent[*own as usize]);
        let mut names: Vec<Arc<str>> = missing
            .filter_map(|own| {
                let (column, name) = &self.uses[own as usize];
                name.clone().or_else(|| self.columns[*column].reads.inputs().first().cloned())
            })
            .collect();
        names.sort();
        names.dedup();
        Some(names)
    }
}

/// Tests of the events' own text for which it is not worth while to keep all of their values.
const FEW_OF_TEXT: usize = 24;

impl BoundColumn {
    /// Of few tests of the events' own text the few events that may have what they ask for are
    /// looked at whole.
    fn settle_text(&mut self) {
        if let Reads::Text { matcher } = self.reads
            && self.own.len() <= FEW_OF_TEXT
        {
            self.reads = Reads::Rendered { matcher, expr: Expr::Raw(rulestone_events::RAW.into()) };
        }
    }
}

impl Reads {
    fn inputs(&self) -> Vec<Arc<str>> {
        match self {
            Reads::Value { expr, .. } => expr.inputs(),
            Reads::Pair { left, right, .. } => [left.inputs(), right.inputs()].concat(),
            Reads::Everything { .. } | Reads::Rendered { .. } | Reads::Text { .. } => Vec::new(),
        }
    }
}

/// What a field is on a kind.
enum Resolved {
    /// What the kind itself says: the probes that hold for it, sorted.
    Constant(Vec<u32>),
    /// Something that events say: a column of the program, once a rule that is left looks at it.
    Read(Option<usize>),
}

/// Makes the program of one kind.
struct Binder<'p> {
    plan: &'p Plan,
    kind: &'p Kind,
    above: Option<usize>,
    columns: Vec<BoundColumn>,
    column_of: HashMap<(usize, String), usize, RandomState>,
    /// What a field is, by its place in the plan and the entry that says how it reads.
    resolved: HashMap<(usize, usize), Resolved, RandomState>,
    weights: Vec<u32>,
    uses: Vec<(usize, Option<Arc<str>>)>,
    rules: Vec<BoundRule>,
    /// How fields read that are columns of pipelines, by the entry that says so.
    reads: HashMap<(usize, Arc<str>), Numbered, RandomState>,
}

impl<'p> Binder<'p> {
    fn new(plan: &'p Plan, kind: &'p Kind, above: Option<usize>) -> Self {
        Binder {
            plan,
            kind,
            above,
            columns: Vec::new(),
            column_of: HashMap::default(),
            resolved: HashMap::default(),
            weights: Vec::new(),
            uses: Vec::new(),
            rules: Vec::new(),
            reads: HashMap::default(),
        }
    }

    fn bind_scope(&mut self, scope: &BoundScope, scope_kind: &Arc<ScopeKind>, when: &Template) {
        let when = self.node(when, scope_kind);
        let strata = &self.plan.strata.of;
        let is_above = |rule: usize| self.above.is_none_or(|above| strata[rule] > above);
        let members = scope.members.iter().filter(|member| is_above(member.rule));
        for member in members.collect::<Vec<_>>() {
            if self.truth(&member.filter, scope_kind) == Some(false) {
                continue;
            }
            let filter = self.node(&member.filter, scope_kind);
            let node = Node::and(vec![when.clone(), filter]);
            if node != Node::Const(false) {
                let (rule, source) = (member.rule, Some(member.source));
                let pipe = self.plan.pipe(rule);
                let feeds = self.plan.feeds(rule, source, self.kind, scope_kind);
                let intake = pipe
                    .and_then(|pipe| pipe.bind(member.source, |name| self.read(name, scope_kind)));
                let is_coded = intake.as_ref().is_some_and(|intake| !intake.needs_event());
                self.rules.push(BoundRule {
                    rule: member.rule,
                    source: member.source,
                    scope_kind: scope_kind.clone(),
                    raises: self.plan.raises[member.rule],
                    waits: is_coded && feeds.is_empty() && pipe.is_some_and(|p| !p.row_wise),
                    feeds,
                    intake,
                    node,
                });
            }
        }
    }

    /// How a column of a pipeline reads.
    fn read(&mut self, name: &Arc<str>, scope_kind: &ScopeKind) -> Numbered {
        let number = self.reads.len() as u32;
        // Entries live as long as the plan, so their addresses tell them apart.
        let key = (std::ptr::from_ref(scope_kind) as usize, name.clone());
        let kind = self.kind;
        let read = || Numbered { number, expr: settle(scope_kind.field(name), kind) };
        self.reads.entry(key).or_insert_with(read).clone()
    }

    /// What the kind alone says of a formula: nothing is made of rules that it rules out.
    fn truth(&mut self, template: &Template, scope_kind: &ScopeKind) -> Option<bool> {
        match template {
            Template::And(parts) | Template::Or(parts) => {
                let decides = matches!(template, Template::Or(_));
                let mut open = false;
                for part in parts {
                    match self.truth(part, scope_kind) {
                        Some(holds) if holds == decides => return Some(decides),
                        Some(_) => {}
                        None => open = true,
                    }
                }
                (!open).then_some(!decides)
            }
            Template::Not(part) => self.truth(part, scope_kind).map(|holds| !holds),
            Template::Probe(probe) => match self.resolved(*probe, scope_kind) {
                Resolved::Constant(holding) => Some(holding.binary_search(probe).is_ok()),
                Resolved::Read(_) => None,
            },
            Template::Pair(_) => None,
        }
    }

    fn node(&mut self, template: &Template, scope_kind: &ScopeKind) -> Node {
        match template {
            Template::And(parts) => {
                let mut nodes = Vec::with_capacity(parts.len());
                for part in parts {
                    match self.node(part, scope_kind) {
                        Node::Const(false) => return Node::Const(false),
                        node => nodes.push(node),
                    }
                }
                Node::and(nodes)
            }
            Template::Or(parts) => {
                let nodes = parts.iter().map(|part| self.node(part, scope_kind)).collect();
                Node::or(nodes)
            }
            Template::Not(part) => Node::not(self.node(part, scope_kind)),
            Template::Probe(probe) => self.probe(*probe, scope_kind),
            Template::Pair(at) => self.pair(*at, scope_kind),
        }
    }

    fn probe(&mut self, probe: u32, scope_kind: &ScopeKind) -> Node {
        let column = match self.resolved(probe, scope_kind) {
            Resolved::Constant(holding) => {
                return Node::Const(holding.binary_search(&probe).is_ok());
            }
            Resolved::Read(column) => *column,
        };
        let column = column.unwrap_or_else(|| {
            let column = self.read_column(probe, scope_kind);
            *self.resolved(probe, scope_kind) = Resolved::Read(Some(column));
            column
        });
        self.own(column, probe)
    }

    /// What a probe's field is on this kind: the same for all probes of the field.
    fn resolved(&mut self, probe: u32, scope_kind: &ScopeKind) -> &mut Resolved {
        let ProbeUse { field, name, .. } = &self.plan.probes[probe as usize];
        // Entries live as long as the plan, so their addresses tell them apart.
        let key = (*field, std::ptr::from_ref(scope_kind) as usize);
        self.resolved.entry(key).or_insert_with(|| {
            let Some(name) = name else { return Resolved::Read(None) };
            match settle(scope_kind.field(name), self.kind) {
                Expr::Constant(value) => {
                    let mut holding = self.plan.fields[*field].holding(&value);
                    holding.sort_unstable();
                    Resolved::Constant(holding)
                }
                _ => Resolved::Read(None),
            }
        })
    }

    /// The column of a probe's field, which is no constant.
    fn read_column(&mut self, probe: u32, scope_kind: &ScopeKind) -> usize {
        let ProbeUse { field, name, .. } = &self.plan.probes[probe as usize];
        let matcher = *field;
        let Some(name) = name else {
            return self.column((matcher, "*".to_owned()), Reads::Everything { matcher });
        };
        let expr = settle(scope_kind.field(name), self.kind);
        let key = (matcher, format!("{expr:?}"));
        let is_raw = |name: &Arc<str>| **name == *rulestone_events::RAW;
        let reads = match &expr {
            Expr::Raw(name) if is_raw(name) && self.kind.has_made_text() => Reads::Text { matcher },
            _ if expr.inputs().iter().any(is_raw) => Reads::Rendered { matcher, expr },
            _ => Reads::Value { matcher, expr },
        };
        self.column(key, reads)
    }

    fn pair(&mut self, at: usize, scope_kind: &ScopeKind) -> Node {
        let predicate = self.plan.pairs[at].clone();
        let (Field::Named { name: left, .. }, Test::SameAs(Field::Named { name: right, .. }, _)) =
            (&predicate.field, &predicate.test)
        else {
            return Node::Const(false);
        };
        let settled = |name| settle(scope_kind.field(name), self.kind);
        let (left, right) = (settled(left), settled(right));
        if let (Expr::Constant(left), Expr::Constant(right)) = (&left, &right) {
            return Node::Const(same_as(&predicate, left, right));
        }
        // Behind all probes, so that the numbers cannot meet.
        let probe = (self.plan.probes.len() + at) as u32;
        let key = (usize::MAX - at, format!("{left:?} {right:?}"));
        let column = self.column(key, Reads::Pair { left, right, predicate, probe });
        self.own(column, probe)
    }

    fn column(&mut self, key: (usize, String), reads: Reads) -> usize {
        let next = self.columns.len();
        let reads_text = key.1.as_str().into();
        let at = *self.column_of.entry(key).or_insert(next);
        if at == next {
            self.columns.push(BoundColumn { reads, reads_text, own: HashMap::default() });
        }
        at
    }

    fn own(&mut self, column: usize, probe: u32) -> Node {
        let next = self.weights.len() as u32;
        let own = *self.columns[column].own.entry(probe).or_insert(next);
        if own == next {
            let tested = self.plan.probes.get(probe as usize);
            self.weights.push(tested.map_or(1000, |tested| tested.weight));
            self.uses.push((column, tested.and_then(|tested| tested.name.clone())));
        }
        Node::Predicate(own)
    }

    fn finish(mut self) -> Program {
        self.columns.iter_mut().for_each(BoundColumn::settle_text);
        let mut wakes = vec![Vec::new(); self.weights.len()];
        let mut always = Vec::new();
        for (at, bound) in self.rules.iter().enumerate() {
            match bound.node.witnesses(&self.weights) {
                Some((_, witnesses)) => {
                    witnesses.into_iter().for_each(|own| wakes[own as usize].push(at as u32));
                }
                None => always.push(at as u32),
            }
        }
        let fields = if self.rules.is_empty() {
            Fields::None
        } else {
            let tested = self.columns.iter().flat_map(|column| column.reads.inputs());
            let feeds = self.rules.iter().flat_map(|rule| &rule.feeds);
            let intakes = self.rules.iter().flat_map(|rule| &rule.intake);
            let inputs = tested.chain(feeds.flat_map(Feed::inputs));
            let inputs = inputs.chain(intakes.flat_map(|intake| intake.inputs().to_vec()));
            let inputs = inputs.collect::<BTreeSet<_>>().into_iter().collect();
            let is_text = |column: &BoundColumn| matches!(column.reads, Reads::Text { .. });
            match self.columns.iter().any(is_text) {
                true => Fields::Text(inputs),
                false => Fields::Some(inputs),
            }
        };
        let waiting = self.rules.iter().filter(|rule| rule.waits);
        let coded = waiting.flat_map(|rule| &rule.intake).flat_map(Intake::inputs);
        let coded: BTreeSet<Arc<str>> = coded.cloned().collect();
        Program {
            coded: coded.into_iter().collect(),
            predicates: self.weights.len(),
            uses: self.uses,
            columns: self.columns,
            rules: self.rules,
            wakes,
            always,
            fields,
        }
    }
}

/// An expression with what the kind alone says of it put in.
fn settle(expr: Expr, kind: &Kind) -> Expr {
    let settled = match expr {
        Expr::Raw(name) => {
            return kind.header(&name).map_or(Expr::Raw(name), Expr::Constant);
        }
        Expr::Constant(_) => return expr,
        Expr::Call(function, arguments) => {
            let arguments = arguments.into_iter().map(|argument| settle(argument, kind));
            Expr::Call(function, arguments.collect())
        }
        Expr::Lookup { table, argument, keeps } => {
            Expr::Lookup { table, argument: Box::new(settle(*argument, kind)), keeps }
        }
    };
    if settled.inputs().is_empty() {
        return Expr::Constant(settled.value(&|_| Value::Null));
    }
    settled
}
