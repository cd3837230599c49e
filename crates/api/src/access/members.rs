//! Which role somebody has whom another system vouches for: a proxy, or an identity provider.

use super::Role;

/// Who is a viewer and who is an operator, by e-mail address and group.
///
/// Addresses and domains are compared without regard to the case of ASCII letters, groups as they
/// are: a group is whatever a directory calls it, often an opaque id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Whoever has an address at one of these domains is a viewer.
    pub viewer_email_domains: Vec<String>,
    /// Whoever is in one of these groups is a viewer.
    pub viewer_groups: Vec<String>,
    /// Whoever has one of these addresses is an operator.
    pub operator_emails: Vec<String>,
    /// Whoever is in one of these groups is an operator.
    pub operator_groups: Vec<String>,
}

impl Members {
    /// Whether it is said who is a viewer.
    pub(super) fn names_viewers(&self) -> bool {
        !self.viewer_email_domains.is_empty() || !self.viewer_groups.is_empty()
    }

    /// Whether anybody is named at all.
    pub(super) fn names_anybody(&self) -> bool {
        let names_operators = !self.operator_emails.is_empty() || !self.operator_groups.is_empty();
        self.names_viewers() || names_operators
    }

    /// The role of somebody with this address, if it is known to be theirs, and these groups.
    pub(super) fn role(&self, email: Option<&str>, groups: &[&str]) -> Option<Role> {
        let is_in = |list: &[String]| list.iter().any(|group| groups.contains(&group.as_str()));
        let has = |list: &[String], text: Option<&str>| {
            text.is_some_and(|text| list.iter().any(|entry| entry.eq_ignore_ascii_case(text)))
        };
        if is_in(&self.operator_groups) || has(&self.operator_emails, email) {
            return Some(Role::Operator);
        }
        let domain = email.and_then(|email| email.rsplit_once('@'));
        let domain = domain
            .filter(|(local, _)| !local.is_empty())
            .map(|(_, domain)| domain);
        let is_viewer = is_in(&self.viewer_groups) || has(&self.viewer_email_domains, domain);
        is_viewer.then_some(Role::Viewer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_follows_from_an_address_or_a_group_and_from_nothing_like_it() {
        let list = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
        let members = Members {
            viewer_email_domains: list(&["corp.example"]),
            viewer_groups: list(&["finance"]),
            operator_emails: list(&["ops@corp.example"]),
            operator_groups: list(&["sre"]),
        };
        let cases: [(Option<&str>, &[&str], Option<Role>); 14] = [
            (Some("a@corp.example"), &[], Some(Role::Viewer)),
            (Some("a@CORP.example"), &[], Some(Role::Viewer)),
            (Some("Ops@corp.example"), &[], Some(Role::Operator)),
            (None, &["finance"], Some(Role::Viewer)),
            (None, &["finance", "sre"], Some(Role::Operator)),
            (Some("x@else.example"), &["sre"], Some(Role::Operator)),
            (Some("a@evilcorp.example"), &[], None),
            (Some("a@sub.corp.example"), &[], None),
            (Some("a@corp.example@else.example"), &[], None),
            (Some("@corp.example"), &[], None),
            (Some("corp.example"), &[], None),
            (Some(""), &[""], None),
            (None, &["Finance", "sre "], None),
            (None, &[], None),
        ];
        for (email, groups, role) in cases {
            assert_eq!(members.role(email, groups), role, "{email:?} {groups:?}");
        }
        let nobody = Members::default();
        assert_eq!(nobody.role(Some("a@corp.example"), &["sre"]), None);
    }
}
