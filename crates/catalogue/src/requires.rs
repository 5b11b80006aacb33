//! Which services a service needs, and in which order they are installed, started and removed.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::name::ServiceId;

/// What each service needs.
pub type Needs = BTreeMap<ServiceId, BTreeSet<ServiceId>>;

/// Why a service cannot be installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequiresError {
    /// Neither the catalogue nor the box has it.
    #[error("the service {needed} is not in the catalogue; {by} needs it")]
    Missing {
        /// Which.
        needed: ServiceId,
        /// Who needs it.
        by: ServiceId,
    },
    /// They need each other.
    #[error("the services {} need each other", shown(.0))]
    Circle(Vec<ServiceId>),
}

fn shown(ids: &[ServiceId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ServiceId::as_str).collect();
    ids.join(", ")
}

/// The service and all that it needs and that is not there yet, in the order to install and to start them.
///
/// # Errors
/// [`RequiresError`]
pub fn install_order(
    id: &ServiceId,
    needs: &Needs,
    installed: &BTreeSet<ServiceId>,
) -> Result<Vec<ServiceId>, RequiresError> {
    let mut order = Vec::new();
    let mut open = Vec::new();
    visit(id, id, needs, installed, &mut open, &mut order)?;
    Ok(order)
}

fn visit(
    id: &ServiceId,
    by: &ServiceId,
    needs: &Needs,
    installed: &BTreeSet<ServiceId>,
    open: &mut Vec<ServiceId>,
    order: &mut Vec<ServiceId>,
) -> Result<(), RequiresError> {
    if installed.contains(id) || order.contains(id) {
        return Ok(());
    }
    if let Some(at) = open.iter().position(|waiting| waiting == id) {
        return Err(RequiresError::Circle(open[at..].to_vec()));
    }
    let own = needs.get(id).ok_or_else(|| RequiresError::Missing {
        needed: id.clone(),
        by: by.clone(),
    })?;
    open.push(id.clone());
    for needed in own {
        visit(needed, id, needs, installed, open, order)?;
    }
    open.pop();
    order.push(id.clone());
    Ok(())
}

/// The installed services that could not do without this one, directly or through others.
pub fn dependents(id: &ServiceId, installed: &Needs) -> BTreeSet<ServiceId> {
    let mut found = BTreeSet::from([id.clone()]);
    // Each round finds one at least, so there are no more rounds than services.
    loop {
        let next: Vec<_> = installed
            .iter()
            .filter(|(other, own)| !found.contains(*other) && !own.is_disjoint(&found))
            .map(|(other, _)| other.clone())
            .collect();
        if next.is_empty() {
            found.remove(id);
            return found;
        }
        found.extend(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> ServiceId {
        text.parse().unwrap()
    }

    fn needs(list: &[(&str, &[&str])]) -> Needs {
        list.iter()
            .map(|(name, own)| (id(name), own.iter().map(|needed| id(needed)).collect()))
            .collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_only_once() {
        let needs = needs(&[
            ("webmail", &["mail", "accounts"]),
            ("mail", &["accounts"]),
            ("accounts", &[]),
        ]);
        let order = |installed| install_order(&id("webmail"), &needs, &installed).unwrap();
        assert_eq!(
            order(BTreeSet::new()),
            [id("accounts"), id("mail"), id("webmail")]
        );
        assert_eq!(
            order(BTreeSet::from([id("mail")])),
            [id("accounts"), id("webmail")]
        );
        assert!(order(BTreeSet::from([id("webmail")])).is_empty());
    }

    #[test]
    fn what_nobody_has_and_circles_are_told() {
        let needs = needs(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &["x"])]);
        let none = BTreeSet::new();
        assert_eq!(
            install_order(&id("a"), &needs, &none),
            Err(RequiresError::Circle(vec![id("b"), id("c")]))
        );
        assert_eq!(
            install_order(&id("d"), &needs, &none),
            Err(RequiresError::Missing {
                needed: id("x"),
                by: id("d")
            })
        );
        assert!(install_order(&id("y"), &needs, &none).is_err());
    }

    #[test]
    fn all_that_would_miss_it_are_named() {
        let installed = needs(&[
            ("mail", &[]),
            ("webmail", &["mail"]),
            ("lists", &["webmail"]),
            ("files", &[]),
        ]);
        assert_eq!(
            dependents(&id("mail"), &installed),
            BTreeSet::from([id("webmail"), id("lists")])
        );
        assert!(dependents(&id("files"), &installed).is_empty());
        assert!(dependents(&id("lists"), &installed).is_empty());
    }

    proptest! {
        #[test]
        fn each_is_installed_after_what_it_needs(edges in prop::collection::vec((0_u8..8, 0_u8..8), 0..16)) {
            let name = |number: u8| id(&format!("s{number}"));
            let mut needs: Needs = (0..8).map(|number| (name(number), BTreeSet::new())).collect();
            for (from, to) in edges {
                needs.get_mut(&name(from)).unwrap().insert(name(to));
            }
            match install_order(&name(0), &needs, &BTreeSet::new()) {
                Ok(order) => for (at, id) in order.iter().enumerate() {
                    prop_assert!(needs[id].iter().all(|needed| order[..at].contains(needed)));
                },
                Err(RequiresError::Circle(circle)) => for (at, id) in circle.iter().enumerate() {
                    prop_assert!(needs[id].contains(&circle[(at + 1) % circle.len()]));
                },
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
