//! Tokens and the tree of a query as text.

use std::fmt::Write;

use rulestone_ir::Diagnostic;
use rulestone_value::Value;
use sqlparser::tokenizer::Token;

use super::ast::{
    Body, Call, Expr, ExprKind, Frame, From, Group, Item, Join, JoinKind, On, Order, Over, Query,
    Select, Step, Table, TableKind, Type,
};
use super::{lexer, parser};
use crate::Text;

/// The tokens of a query, one a line.
pub fn print_tokens(text: &Text<'_>) -> String {
    let lexed = match lexer::lex(text.search) {
        Ok(lexed) => lexed,
        Err(broken) => return format!("{}\n", broken.message),
    };
    let mut out = String::new();
    for token in &lexed.tokens {
        let (name, what) = match &token.token {
            Token::Whitespace(_) => continue,
            _ if lexed.is_placeholder(lexed.span(token.span).start) => {
                ("placeholder", token.token.to_string())
            }
            Token::Word(word) if word.quote_style.is_some() => ("name", word.value.clone()),
            Token::Word(word) => ("word", word.value.clone()),
            Token::Number(number, _) => ("number", number.clone()),
            Token::SingleQuotedString(raw) => ("text", lexer::unescape(raw)),
            Token::DollarQuotedString(text) => ("text", text.value.clone()),
            other => ("sign", other.to_string()),
        };
        let _ = writeln!(out, "{name} {what:?}");
    }
    out
}

/// The tree of a query.
pub fn print_ast(text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> String {
    let tree = parser::parse(text, diagnostics);
    tree.map(|tree| print_query(&tree)).unwrap_or_default()
}

/// A query, a clause a line.
fn print_query(query: &Query) -> String {
    let mut out = String::new();
    query_lines(query, 0, &mut out);
    out
}

fn line(depth: usize, text: &str, out: &mut String) {
    let _ = writeln!(out, "{}{text}", "  ".repeat(depth));
}

fn query_lines(query: &Query, depth: usize, out: &mut String) {
    for named in &query.with {
        let columns = match named.columns.is_empty() {
            true => String::new(),
            false => format!(" ({})", named.columns.join(", ")),
        };
        line(depth, &format!("with {}{columns}", named.name), out);
        query_lines(&named.query, depth + 1, out);
    }
    body_lines(&query.body, depth, out);
    if !query.order.is_empty() {
        line(depth, &format!("order by {}", orders(&query.order)), out);
    }
    if let Some(limit) = query.limit {
        line(depth, &format!("limit {limit}"), out);
    }
}

fn body_lines(body: &Body, depth: usize, out: &mut String) {
    match body {
        Body::Select(select) => select_lines(select, depth, out),
        Body::Query(query) => {
            line(depth, "query", out);
            query_lines(query, depth + 1, out);
        }
        Body::Union { parts, distinct } => {
            line(depth, if *distinct { "union" } else { "union all" }, out);
            parts.iter().for_each(|part| body_lines(part, depth + 1, out));
        }
        Body::Values(rows) => {
            line(depth, "values", out);
            rows.iter().for_each(|row| line(depth + 1, &exprs(row), out));
        }
        Body::Nothing => line(depth, "refused", out),
    }
}

fn select_lines(select: &Select, depth: usize, out: &mut String) {
    let items: Vec<String> = select.items.iter().map(item).collect();
    let distinct = if select.distinct { " distinct" } else { "" };
    line(depth, &format!("select{distinct} {}", items.join(", ")), out);
    if let Some(From { first, joins }) = &select.from {
        line(depth, &format!("from {}", table(first)), out);
        table_lines(first, depth + 1, out);
        joins.iter().for_each(|join| join_lines(join, depth, out));
    }
    let clause = |name: &str, of: &Option<Expr>, out: &mut String| {
        if let Some(of) = of {
            line(depth, &format!("{name} {}", expr(of)), out);
        }
    };
    clause("where", &select.filter, out);
    match &select.group {
        Group::None => {}
        Group::All => line(depth, "group by all", out),
        Group::By(by) => line(depth, &format!("group by {}", exprs(by)), out),
    }
    clause("having", &select.having, out);
    clause("qualify", &select.qualify, out);
}

fn item(item: &Item) -> String {
    match item {
        Item::All { of, without, renamed } => {
            let mut text = of.as_ref().map_or("*".to_owned(), |of| format!("{of}.*"));
            if !without.is_empty() {
                let _ = write!(text, " exclude ({})", without.join(", "));
            }
            for (old, new) in renamed {
                let _ = write!(text, " rename {old} as {new}");
            }
            text
        }
        Item::Value(value, Some(name)) => format!("{} as {name}", expr(value)),
        Item::Value(value, None) => expr(value),
    }
}

fn table(table: &Table) -> String {
    let what = match &table.kind {
        TableKind::Name(_, whole) => whole.clone(),
        TableKind::Query(_) => "query".to_owned(),
        TableKind::Flatten { of, outer } => {
            format!("{}flatten({})", if *outer { "outer " } else { "" }, expr(of))
        }
    };
    match &table.alias {
        Some(alias) => format!("{what} as {alias}"),
        None => what,
    }
}

fn table_lines(table: &Table, depth: usize, out: &mut String) {
    if let TableKind::Query(query) = &table.kind {
        query_lines(query, depth, out);
    }
}

fn join_lines(join: &Join, depth: usize, out: &mut String) {
    let kind = match join.kind {
        JoinKind::Inner => "join",
        JoinKind::Left => "left join",
        JoinKind::Right => "right join",
    };
    let on = match &join.on {
        On::Anything => String::new(),
        On::Holds(on) => format!(" on {}", expr(on)),
        On::Using(names) => format!(" using ({})", names.join(", ")),
    };
    line(depth, &format!("{kind} {}{on}", table(&join.table)), out);
    table_lines(&join.table, depth + 1, out);
}

fn orders(orders: &[Order]) -> String {
    let one = |order: &Order| {
        format!("{}{}", expr(&order.by), if order.descending { " desc" } else { "" })
    };
    orders.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn exprs(parts: &[Expr]) -> String {
    parts.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn chain(parts: &[Expr], word: &str) -> String {
    let parts: Vec<String> = parts.iter().map(expr).collect();
    format!("({})", parts.join(word))
}

/// An expression in one line; equal ones are equal text.
pub(super) fn expr(of: &Expr) -> String {
    match &of.kind {
        ExprKind::Literal(value) => literal(value),
        ExprKind::Earliest => "$earliest$".to_owned(),
        ExprKind::Latest => "$latest$".to_owned(),
        ExprKind::Column { table: Some(table), name } => format!("{table}.{name}"),
        ExprKind::Column { table: None, name } => name.clone(),
        ExprKind::Path(inner, steps) => format!("{}{}", expr(inner), path(steps)),
        ExprKind::And(parts) => chain(parts, " and "),
        ExprKind::Or(parts) => chain(parts, " or "),
        ExprKind::Not(inner) => format!("not {}", expr(inner)),
        ExprKind::Compare(how, left, right) => {
            format!("({} {} {})", expr(left), how.sign(), expr(right))
        }
        ExprKind::Same(left, right) => {
            format!("({} is not distinct from {})", expr(left), expr(right))
        }
        ExprKind::Like(like) => {
            let word = if like.ignore_case { "ilike" } else { "like" };
            let which = if like.all { " all" } else { "" };
            let escape = like.escape.map_or(String::new(), |c| format!(" escape {c:?}"));
            format!("({} {word}{which} ({}){escape})", expr(&like.of), exprs(&like.patterns))
        }
        ExprKind::In(inner, list) => format!("({} in ({}))", expr(inner), exprs(list)),
        ExprKind::InQuery(inner, query) => format!("({} in ({}))", expr(inner), inline(query)),
        ExprKind::Exists(query) => format!("exists ({})", inline(query)),
        ExprKind::Scalar(query) => format!("({})", inline(query)),
        ExprKind::IsNull(inner) => format!("({} is null)", expr(inner)),
        ExprKind::Is(inner, value) => format!("({} is {value})", expr(inner)),
        ExprKind::Case(case) => {
            let mut out = String::from("case");
            if let Some(of) = &case.of {
                let _ = write!(out, " {}", expr(of));
            }
            for (condition, value) in &case.branches {
                let _ = write!(out, " when {} then {}", expr(condition), expr(value));
            }
            if let Some(value) = &case.otherwise {
                let _ = write!(out, " else {}", expr(value));
            }
            out + " end"
        }
        ExprKind::Cast(inner, to) => format!("{}::{}", expr(inner), type_name(*to)),
        ExprKind::Interval(by) => format!("interval '{} s, {} months'", by.seconds, by.months),
        ExprKind::Array(parts) => format!("[{}]", exprs(parts)),
        ExprKind::Object(members) => {
            let one = |(key, value): &(String, Expr)| format!("{key:?}: {}", expr(value));
            format!("{{{}}}", members.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Star => "*".to_owned(),
        ExprKind::Call(own) => call(own),
        ExprKind::Refused => "refused".to_owned(),
    }
}

fn inline(query: &Query) -> String {
    print_query(query).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("{text:?}"),
        value => value.text().unwrap_or_default().into_owned(),
    }
}

fn path(steps: &[Step]) -> String {
    let mut out = String::new();
    for (at, step) in steps.iter().enumerate() {
        let _ = match step {
            Step::Key(key) => write!(out, "{}{key}", if at == 0 { ':' } else { '.' }),
            Step::Index(index) => write!(out, "[{index}]"),
        };
    }
    out
}

const fn type_name(of: Type) -> &'static str {
    match of {
        Type::Text => "text",
        Type::Number => "number",
        Type::Integer => "integer",
        Type::Bool => "boolean",
        Type::Time => "time",
        Type::Date => "date",
        Type::Array => "array",
        Type::Any => "variant",
    }
}

fn call(call: &Call) -> String {
    let mut parts: Vec<String> = call.arguments.iter().map(expr).collect();
    parts.extend(call.named.iter().map(|(name, value)| format!("{name} => {}", expr(value))));
    let distinct = if call.distinct { "distinct " } else { "" };
    let mut out = format!("{}({distinct}{})", call.name, parts.join(", "));
    if !call.order.is_empty() {
        let _ = write!(out, " within group ({})", orders(&call.order));
    }
    if let Some(over) = &call.over {
        let _ = write!(out, " over ({})", window(over));
    }
    out
}

fn window(over: &Over) -> String {
    let mut parts = Vec::new();
    if !over.by.is_empty() {
        parts.push(format!("partition by {}", exprs(&over.by)));
    }
    if !over.order.is_empty() {
        parts.push(format!("order by {}", orders(&over.order)));
    }
    match over.frame {
        Frame::Unsaid => {}
        Frame::All => parts.push("all rows".to_owned()),
        Frame::Rows(None) => parts.push("rows before".to_owned()),
        Frame::Rows(Some(rows)) => parts.push(format!("{rows} rows before")),
        Frame::Seconds(seconds) => parts.push(format!("{seconds} seconds before")),
    }
    parts.join(" ")
}
