//! The one table of addresses: every route stands here once.

use super::operation::{
    accepted, bytes, intake, list, made, nothing, one, page, perhaps, put, state, taken,
};
use super::{Route, service};
use crate::tfe::{memberships, teams, versions};
use crate::{agent, backend, discovery, ledger, tfe, ui};

use statehouse_model::Permission as May;

/// Routes of `/api/v2` say what they take and answer; the others are for clients with contracts of their own.
macro_rules! routes {
    (
        other { $($method:ident $path:literal => $handler:path;)* }
        api { $($api_method:ident $api_path:literal => $api_handler:path, $operation:expr;)* }
    ) => {
        /// Every address of the server.
        pub const ROUTES: &[Route] = &[
            $(Route {
                method: stringify!($method),
                path: $path,
                operation: None,
                intake: super::operation::Intake::default,
                service: |core| service($handler, core),
            },)*
            $(Route {
                method: stringify!($api_method),
                path: $api_path,
                operation: Some($operation),
                intake: || intake($api_handler),
                service: |core| service($api_handler, core),
            },)*
        ];
    };
}

/// What is asked of a list of workspaces.
const WORKSPACES_ASKED: &[(&str, &str)] = &[
    (
        "page[after]",
        "The name after which the list goes on; `links.next` has it.",
    ),
    ("search[name]", "A part of the name."),
    (
        "search[wildcard-name]",
        "A name in which `*` stands for anything.",
    ),
    (
        "search[tags]",
        "Keys of tags, separated by commas, all of which a workspace has.",
    ),
    (
        "search[exclude-tags]",
        "Keys of tags none of which a workspace has.",
    ),
    ("filter[project][id]", "The id of a project."),
    (
        "filter[tagged][0][key]",
        "The key of a tag; further ones are numbered on.",
    ),
    ("filter[tagged][0][value]", "The value of that tag."),
];

/// What clients ask to be beside workspaces, and what is never there.
const WORKSPACES_PASSED: &[&str] = &[
    "organization",
    "project",
    "locked-by",
    "readme",
    "outputs",
    "current-run",
    "current-run.plan",
    "current-run.configuration-version",
    "current-configuration-version",
    "current-configuration-version.ingress-attributes",
    "current-state-version",
    "current-assessment-result",
    "effective-tag-bindings",
];

/// What clients ask to be beside versions of a state, and what is never there.
const VERSIONS_PASSED: &[&str] = &[
    "created-by",
    "run",
    "run.created-by",
    "run.configuration-version",
    "outputs",
];

/// What is asked of a search over resources.
const FOUND_ASKED: &[(&str, &str)] = &[
    ("q", "Words that an address, a type, a tag or an id holds."),
    ("filter[type]", "The type of the resource."),
    ("filter[name]", "Its name."),
    ("filter[module]", "The address of its module."),
    ("filter[provider]", "Its provider."),
    ("filter[mode]", "`managed` or `data`."),
    (
        "filter[tag]",
        "A tag: its key, or `key=value`; may be repeated.",
    ),
    ("filter[id]", "Its id."),
    (
        "filter[depends-on]",
        "The address of a resource that it depends on.",
    ),
    ("filter[workspace]", "The name of a workspace."),
    ("filter[project]", "The id or name of a project."),
];

const PART_OF_NAME: (&str, &str) = ("q", "A part of the name.");
const PEOPLE: (&str, &str) = (
    "people",
    "`true`: name the people who may do what it waits for. That is read off every grant: for a look, and not for each second.",
);
const NAMES: (&str, &str) = ("filter[names]", "Names, separated by commas.");

routes! {
    other {
        GET    "/state/{organization}/{workspace}" => backend::state::get;
        POST   "/state/{organization}/{workspace}" => backend::state::post;
        LOCK   "/state/{organization}/{workspace}" => backend::lock::lock;
        UNLOCK "/state/{organization}/{workspace}" => backend::lock::unlock;

        GET    "/.well-known/terraform.json" => discovery::document;

        GET    "/ledger/{house}/checkpoint" => ledger::checkpoint;
        GET    "/ledger/{house}/tile/{*tile}" => ledger::tile;

        GET    "/oauth/authorize" => ui::consent::show;
        POST   "/oauth/authorize" => ui::consent::decide;
        POST   "/oauth/token" => ui::consent::token;

        GET    "/" => ui::start::show;
        GET    "/sign-in" => ui::sign_in::show;
        POST   "/sign-in" => ui::sign_in::send;
        GET    "/sign-out" => ui::sign_out::show;
        POST   "/sign-out" => ui::sign_out::send;
        GET    "/app/settings/tokens" => ui::tokens::show;
        POST   "/app/settings/tokens" => ui::tokens::make;
        POST   "/app/settings/tokens/{token}/actions/revoke" => ui::tokens::revoke;
        GET    "/app/waiting" => ui::waiting::show;
        GET    "/app/{organization}/{workspace}" => ui::workspace::show;
        GET    "/app/{organization}/{workspace}/runs/{run}" => ui::run::show;
        GET    "/app/{organization}/{workspace}/runs/{run}/log" => ui::follow::show;
        POST   "/app/{organization}/{workspace}/runs/{run}/decision" => ui::run::decide;
        GET    "/assets/{file}" => ui::assets::show;

    }
    api {

        GET    "/api/v2/ping" => tfe::service::ping,
            nothing("Whether this is a server that terraform knows: the headers say so.");
        GET    "/api/v2/openapi.json" => tfe::service::openapi,
            bytes("application/json", "This document.");
        GET    "/api/v2/docs" => ui::reference::show,
            bytes("text/html; charset=utf-8", "The reference of this API, as a page.");
        GET    "/api/v2/permissions" => tfe::permissions::list,
            list("permissions", "Every permission, and the roles that hold it.");
        POST   "/api/v2/login" => tfe::tokens::login,
            made("tokens", "Make a token with a name and a password.").once_never();
        GET    "/api/v2/account/details" => tfe::users::own,
            one("users", "The caller's own account.");
        PATCH  "/api/v2/account/update" => tfe::users::update_own,
            one("users", "Give the caller another name.").needs(May::TokenManage);
        PATCH  "/api/v2/account/password" => tfe::users::change_own_password,
            one("users", "Set the caller's own password.").needs(May::TokenManage);

        GET    "/api/v2/users" => tfe::users::list,
            page("users", "Every account.").needs(May::SiteUserManage).asks(&[PART_OF_NAME]);
        POST   "/api/v2/users" => tfe::users::create,
            made("users", "Make an account, with a password or for tokens only.").needs(May::SiteUserManage);
        GET    "/api/v2/users/{user}" => tfe::users::show,
            one("users", "One account by its id: the caller's own, or any for those who manage accounts.").needs(May::TokenManage);
        GET    "/api/v2/users/{user}/authentication-tokens" => tfe::authentication_tokens::list_own,
            page("authentication-tokens", "The caller's own tokens that still count.").needs(May::TokenManage);
        POST   "/api/v2/users/{user}/authentication-tokens" => tfe::authentication_tokens::create_own,
            made("authentication-tokens", "Make a token of the caller's own.").needs(May::TokenManage);
        GET    "/api/v2/authentication-tokens/{token}" => tfe::authentication_tokens::show,
            one("authentication-tokens", "One token by its id.").needs(May::TokenManage);
        DELETE "/api/v2/authentication-tokens/{token}" => tfe::authentication_tokens::delete,
            nothing("End a token by its id.").needs(May::TokenManage);
        POST   "/api/v2/users/{user}/actions/disable" => tfe::users::disable,
            one("users", "End an account, by its name.").needs(May::SiteUserManage).loose();
        POST   "/api/v2/users/{user}/actions/set-password" => tfe::users::set_password,
            nothing("Set an account's password, by its name.").needs(May::SiteUserManage);
        POST   "/api/v2/users/{user}/tokens" => tfe::tokens::issue,
            made("tokens", "Make a token for an account that has no password, by its name.").needs(May::SiteUserManage);
        GET    "/api/v2/tokens" => tfe::tokens::list,
            page("tokens", "The caller's own tokens.").needs(May::TokenManage);
        POST   "/api/v2/tokens" => tfe::tokens::create,
            made("tokens", "Make a token for the caller.").needs(May::TokenManage);
        DELETE "/api/v2/tokens/{token}" => tfe::tokens::revoke,
            one("tokens", "End a token of the caller's.").needs(May::TokenManage);

        GET    "/api/v2/organizations" => tfe::organizations::list,
            page("organizations", "The organizations that the caller belongs to; for an operator of the site, every one.")
                .asks(&[PART_OF_NAME]).sorts(&["name", "created-at"]);
        POST   "/api/v2/organizations" => tfe::organizations::create,
            made("organizations", "Make an organization that the caller owns.").needs(May::SiteOrganizationCreate);
        GET    "/api/v2/organizations/{organization}" => tfe::organizations::show,
            one("organizations", "One organization, by its name.").needs(May::OrganizationRead)
                .passes(&["default-project", "default-agent-pool", "primary-hyok-configuration"]);
        PATCH  "/api/v2/organizations/{organization}" => tfe::organizations::change,
            one("organizations", "Change the settings of an organization.").needs(May::OrganizationManage);
        DELETE "/api/v2/organizations/{organization}" => tfe::organizations::delete,
            nothing("Destroy an organization that holds no workspace.").needs(May::OrganizationShred);
        GET    "/api/v2/organizations/{organization}/entitlement-set" => tfe::service::entitlements,
            one("entitlement-sets", "What an organization may do here, in the words of clients.").needs(May::OrganizationRead);
        POST   "/api/v2/organizations/{organization}/actions/shred" => tfe::organizations::shred,
            one("organizations", "Destroy an organization's keys, and with them its content, for ever.").needs(May::OrganizationShred).loose();
        GET    "/api/v2/organizations/{organization}/projects" => tfe::projects::list,
            page("projects", "The projects of an organization.").needs(May::ProjectRead)
                .asks(&[PART_OF_NAME, NAMES]).sorts(&["name", "created-at"]).passes(&["effective-tag-bindings"]);
        POST   "/api/v2/organizations/{organization}/projects" => tfe::projects::create,
            made("projects", "Make a project.").needs(May::ProjectCreate);
        GET    "/api/v2/projects/{project}" => tfe::projects::show,
            one("projects", "One project.").needs(May::ProjectRead).passes(&["effective-tag-bindings"]);
        PATCH  "/api/v2/projects/{project}" => tfe::projects::update,
            one("projects", "Give a project another name.").needs(May::ProjectUpdate);
        DELETE "/api/v2/projects/{project}" => tfe::projects::delete,
            nothing("Remove a project that has no workspaces.").needs(May::ProjectDelete);
        GET    "/api/v2/organizations/{organization}/resources" => tfe::found::list,
            page("resources", "Resources in the current states of all workspaces, by what they are and where.").needs(May::StateRead)
                .asks(FOUND_ASKED);
        GET    "/api/v2/organizations/{organization}/retention-policies" => tfe::retention::list,
            list("retention-policies", "For how long the content of old versions is kept, wherever somebody said so.").needs(May::WorkspaceRead);
        POST   "/api/v2/organizations/{organization}/retention-policies" => tfe::retention::set,
            made("retention-policies", "Say for how long content is kept in a scope.").needs(May::StateRemove);
        GET    "/api/v2/organizations/{organization}/retention-policies/{scope}" => tfe::retention::show,
            perhaps("retention-policies", "What counts in a scope; null where everything is kept.").needs(May::WorkspaceRead);
        DELETE "/api/v2/organizations/{organization}/retention-policies/{scope}" => tfe::retention::end,
            nothing("Say nothing more about a scope.").needs(May::StateRemove);
        GET    "/api/v2/organizations/{organization}/tags" => tfe::tags::of_organization,
            page("tags", "The tags of all workspaces, each once.").needs(May::WorkspaceRead).asks(&[PART_OF_NAME]);
        GET    "/api/v2/organizations/{organization}/grants" => tfe::grants::list,
            page("grants", "Everybody's roles in an organization.").needs(May::GrantRead);
        POST   "/api/v2/organizations/{organization}/grants" => tfe::grants::give,
            made("grants", "Give an account or a team a role.").needs(May::GrantManage);
        DELETE "/api/v2/organizations/{organization}/grants/{grant}" => tfe::grants::take,
            nothing("Take a role away.").needs(May::GrantManage);
        GET    "/api/v2/organizations/{organization}/workspaces" => tfe::workspaces::list,
            page("workspaces", "Workspaces of an organization: all, or those that are looked for.").needs(May::WorkspaceRead)
                .asks(WORKSPACES_ASKED).sorts(&["name", "created-at"]).passes(WORKSPACES_PASSED);
        POST   "/api/v2/organizations/{organization}/workspaces" => tfe::workspaces::create,
            made("workspaces", "Make a workspace, in the default project unless another is named.").needs(May::WorkspaceCreate);
        GET    "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::show_named,
            one("workspaces", "One workspace, by its name.").needs(May::WorkspaceRead).passes(WORKSPACES_PASSED);
        PATCH  "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::update_named,
            one("workspaces", "Change a workspace, by its name.").needs(May::WorkspaceUpdate);
        DELETE "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::delete_named,
            nothing("Delete a workspace, by its name. It can be brought back.").needs(May::WorkspaceDelete);
        POST   "/api/v2/organizations/{organization}/workspaces/{name}/actions/safe-delete" => tfe::workspaces::safe_delete_named,
            nothing("Delete a workspace that manages nothing, by its name.").needs(May::WorkspaceDelete);
        GET    "/api/v2/organizations/{organization}/deleted-workspaces" => tfe::workspaces::deleted,
            page("deleted-workspaces", "Workspaces that were deleted, the newest deletion first.").needs(May::WorkspaceDelete);
        GET    "/api/v2/organizations/{organization}/organization-memberships" => tfe::memberships::list,
            page("organization-memberships", "Everybody who belongs to an organization, by name.").needs(May::MemberRead)
                .asks(&[
                    PART_OF_NAME,
                    ("filter[status]", "`active`; there is no other."),
                    ("filter[email]", "Names of accounts, separated by commas."),
                ]).includes(memberships::INCLUDES);
        POST   "/api/v2/organizations/{organization}/organization-memberships" => tfe::memberships::create,
            made("organization-memberships", "Bring an account into an organization, by its name or id.").needs(May::MemberManage)
                .includes(memberships::INCLUDES);
        GET    "/api/v2/organization-memberships/{membership}" => tfe::memberships::show,
            one("organization-memberships", "One membership.").needs(May::OrganizationRead).includes(memberships::INCLUDES);
        DELETE "/api/v2/organization-memberships/{membership}" => tfe::memberships::delete,
            nothing("Put somebody out of an organization.").needs(May::MemberManage);
        GET    "/api/v2/organizations/{organization}/teams" => tfe::teams::list,
            page("teams", "The teams of an organization that the caller sees.").needs(May::TeamRead)
                .asks(&[PART_OF_NAME, NAMES]).sorts(&["name"]).includes(teams::INCLUDES);
        POST   "/api/v2/organizations/{organization}/teams" => tfe::teams::create,
            made("teams", "Make a team.").needs(May::TeamManage);
        GET    "/api/v2/teams/{team}" => tfe::teams::show,
            one("teams", "One team.").needs(May::TeamRead).includes(teams::INCLUDES);
        PATCH  "/api/v2/teams/{team}" => tfe::teams::change,
            one("teams", "Change a team.").needs(May::TeamManage);
        DELETE "/api/v2/teams/{team}" => tfe::teams::delete,
            nothing("End a team.").needs(May::TeamManage);
        POST   "/api/v2/teams/{team}/relationships/users" => tfe::teams::add_users,
            nothing("Put accounts into a team, by id or name.").needs(May::TeamManage);
        DELETE "/api/v2/teams/{team}/relationships/users" => tfe::teams::remove_users,
            nothing("Put accounts out of a team, by id or name.").needs(May::TeamManage);
        POST   "/api/v2/teams/{team}/relationships/organization-memberships" => tfe::teams::add_members,
            nothing("Put members into a team.").needs(May::TeamManage);
        DELETE "/api/v2/teams/{team}/relationships/organization-memberships" => tfe::teams::remove_members,
            nothing("Put members out of a team.").needs(May::TeamManage);
        GET    "/api/v2/teams/{team}/authentication-token" => tfe::authentication_tokens::show_of_team,
            one("authentication-tokens", "The token of a team.").needs(May::TeamManage);
        POST   "/api/v2/teams/{team}/authentication-token" => tfe::authentication_tokens::create_of_team,
            made("authentication-tokens", "Make the token of a team; the one before ends.").needs(May::TeamManage);
        DELETE "/api/v2/teams/{team}/authentication-token" => tfe::authentication_tokens::delete_of_team,
            nothing("End the token of a team.").needs(May::TeamManage);
        GET    "/api/v2/teams/{team}/authentication-tokens" => tfe::authentication_tokens::list_of_team,
            page("authentication-tokens", "The tokens of a team.").needs(May::TeamManage);
        POST   "/api/v2/teams/{team}/authentication-tokens" => tfe::authentication_tokens::create_one_of_team,
            made("authentication-tokens", "Make one of several tokens of a team, told apart by their descriptions.").needs(May::TeamManage);
        GET    "/api/v2/organizations/{organization}/team-tokens" => tfe::authentication_tokens::list_of_teams,
            page("authentication-tokens", "The tokens of every team.").needs(May::TeamManage);
        GET    "/api/v2/organizations/{organization}/authentication-token" => tfe::authentication_tokens::show_of_organization,
            one("authentication-tokens", "The organization's own token.").needs(May::OrganizationManage);
        POST   "/api/v2/organizations/{organization}/authentication-token" => tfe::authentication_tokens::create_of_organization,
            made("authentication-tokens", "Make the organization's own token; the one before ends.").needs(May::OrganizationManage);
        DELETE "/api/v2/organizations/{organization}/authentication-token" => tfe::authentication_tokens::delete_of_organization,
            nothing("End the organization's own token.").needs(May::OrganizationManage);
        GET    "/api/v2/team-workspaces" => tfe::reach::list_workspace,
            page("team-workspaces", "The teams with access of their own to a workspace.").needs(May::WorkspaceRead)
                .asks(&[("filter[workspace][id]", "The id of the workspace. Needed.")]);
        POST   "/api/v2/team-workspaces" => tfe::reach::create_workspace,
            made("team-workspaces", "Give a team access to a workspace.").needs(May::TeamAccess);
        GET    "/api/v2/team-workspaces/{access}" => tfe::reach::show_workspace,
            one("team-workspaces", "One access to a workspace.").needs(May::TeamRead);
        PATCH  "/api/v2/team-workspaces/{access}" => tfe::reach::change_workspace,
            one("team-workspaces", "Give another access to the workspace.").needs(May::TeamAccess);
        DELETE "/api/v2/team-workspaces/{access}" => tfe::reach::delete_workspace,
            nothing("Take the access to a workspace away.").needs(May::TeamAccess);
        GET    "/api/v2/team-projects" => tfe::reach::list_project,
            page("team-projects", "The teams with access of their own to a project.").needs(May::ProjectRead)
                .asks(&[("filter[project][id]", "The id of the project. Needed.")]);
        POST   "/api/v2/team-projects" => tfe::reach::create_project,
            made("team-projects", "Give a team access to a project.").needs(May::TeamAccess);
        GET    "/api/v2/team-projects/{access}" => tfe::reach::show_project,
            one("team-projects", "One access to a project.").needs(May::TeamRead);
        PATCH  "/api/v2/team-projects/{access}" => tfe::reach::change_project,
            one("team-projects", "Give another access to the project.").needs(May::TeamAccess);
        DELETE "/api/v2/team-projects/{access}" => tfe::reach::delete_project,
            nothing("Take the access to a project away.").needs(May::TeamAccess);

        GET    "/api/v2/workspaces/{workspace}" => tfe::workspaces::show,
            one("workspaces", "One workspace, by its id.").needs(May::WorkspaceRead).passes(WORKSPACES_PASSED);
        PATCH  "/api/v2/workspaces/{workspace}" => tfe::workspaces::update,
            one("workspaces", "Change a workspace, by its id.").needs(May::WorkspaceUpdate);
        DELETE "/api/v2/workspaces/{workspace}" => tfe::workspaces::delete,
            nothing("Delete a workspace, by its id. It can be brought back.").needs(May::WorkspaceDelete);
        POST   "/api/v2/workspaces/{workspace}/actions/safe-delete" => tfe::workspaces::safe_delete,
            nothing("Delete a workspace that manages nothing, by its id.").needs(May::WorkspaceDelete);
        POST   "/api/v2/workspaces/{workspace}/actions/undelete" => tfe::workspaces::undelete,
            one("workspaces", "Bring a deleted workspace back.").needs(May::WorkspaceDelete).loose();
        GET    "/api/v2/workspaces/{workspace}/tag-bindings" => tfe::tags::bindings,
            list("tag-bindings", "The tags of a workspace, as keys with values.").needs(May::WorkspaceRead);
        PATCH  "/api/v2/workspaces/{workspace}/tag-bindings" => tfe::tags::bind,
            list("tag-bindings", "Give a workspace keys with values, beside those that it has.").needs(May::WorkspaceUpdate)
                .takes("tag-bindings");
        GET    "/api/v2/workspaces/{workspace}/effective-tag-bindings" => tfe::tags::effective,
            list("effective-tag-bindings", "The same as its tag bindings: nothing is inherited here.").needs(May::WorkspaceRead);
        GET    "/api/v2/workspaces/{workspace}/relationships/tags" => tfe::tags::list,
            page("tags", "The tags of a workspace, plain.").needs(May::WorkspaceRead);
        POST   "/api/v2/workspaces/{workspace}/relationships/tags" => tfe::tags::add,
            nothing("Give a workspace plain tags.").needs(May::WorkspaceUpdate).takes("tags");
        DELETE "/api/v2/workspaces/{workspace}/relationships/tags" => tfe::tags::remove,
            nothing("Take tags from a workspace, by id or by name.").needs(May::WorkspaceUpdate).takes("tags");
        GET    "/api/v2/workspaces/{workspace}/state-versions" => tfe::versions::list,
            page("state-versions", "Versions of a workspace's state, the newest first.").needs(May::WorkspaceRead)
                .asks(&[("page[before]", "The instant before which the list goes on; `links.next` has it.")]).passes(VERSIONS_PASSED);
        POST   "/api/v2/workspaces/{workspace}/state-versions" => tfe::transfers::announce,
            made("state-versions", "Announce a version: the answer has the signed addresses that its bytes go to.")
                .needs(May::StateWrite).always();
        PATCH  "/api/v2/workspaces/{workspace}/state-versions" => tfe::versions::roll_back,
            one("state-versions", "Make the content of an older version the current one again, for whoever holds the lock.")
                .needs(May::StateWrite);
        GET    "/api/v2/workspaces/{workspace}/current-state-version" => tfe::versions::current,
            one("state-versions", "The current version, with signed addresses of its bytes.").needs(May::WorkspaceRead)
                .includes(versions::INCLUDES).passes(VERSIONS_PASSED);
        GET    "/api/v2/workspaces/{workspace}/current-state-version-outputs" => tfe::outputs::current,
            page("state-version-outputs", "The outputs of the current version; none where there is no state yet.").needs(May::OutputRead);
        GET    "/api/v2/workspaces/{workspace}/resources" => tfe::resources::list,
            page("resources", "The resources of the current version, or of another one.").needs(May::StateRead)
                .asks(&[("version", "The id of a version.")]);
        GET    "/api/v2/workspaces/{workspace}/resources/show" => tfe::resources::show,
            one("resources", "One resource with its attributes, sensitive ones hidden.").needs(May::StateRead);
        GET    "/api/v2/workspaces/{workspace}/resources/history" => tfe::resources::history,
            one("resource-histories", "What became of a resource or an attribute, the newest first.").needs(May::StateRead);
        GET    "/api/v2/workspaces/{workspace}/resources/blame" => tfe::resources::blame,
            one("resource-blames", "Who last changed each attribute of a resource.").needs(May::StateRead);
        GET    "/api/v2/workspaces/{workspace}/kept-versions" => tfe::versions::kept,
            list("state-versions", "Uploads that were kept aside and wait for a person.").needs(May::WorkspaceRead);
        GET    "/api/v2/workspaces/{workspace}/state" => tfe::versions::download,
            state("The bytes of a version; of the current one unless another is named.").needs(May::StateRead);
        POST   "/api/v2/workspaces/{workspace}/state" => tfe::versions::upload,
            put("state-versions", "Store a new version; 409 when it is kept aside for a person.").needs(May::StateWrite).always();
        GET    "/api/v2/workspaces/{workspace}/lock" => tfe::locks::show,
            perhaps("locks", "Who holds the lock; null when nobody does.").needs(May::WorkspaceRead);
        POST   "/api/v2/workspaces/{workspace}/actions/lock" => tfe::locks::take,
            one("workspaces", "Take the lock; 409 where somebody has it, the caller included.").needs(May::StateLock).loose();
        POST   "/api/v2/workspaces/{workspace}/actions/unlock" => tfe::locks::release,
            one("workspaces", "Give the lock back.").needs(May::StateLock).loose().always();
        POST   "/api/v2/workspaces/{workspace}/actions/force-unlock" => tfe::locks::force,
            one("workspaces", "Break the lock, whoever holds it.").needs(May::StateForceUnlock).loose().always();
        POST   "/api/v2/workspaces/{workspace}/actions/freeze" => tfe::freezes::freeze,
            one("workspaces", "Let nobody change the state of a workspace.").needs(May::WorkspaceFreeze).loose();
        POST   "/api/v2/workspaces/{workspace}/actions/thaw" => tfe::freezes::thaw,
            one("workspaces", "Let it be changed again.").needs(May::WorkspaceFreeze).loose();
        GET    "/api/v2/state-versions" => tfe::versions::list_named,
            page("state-versions", "Versions of the state of the workspace that the filter names.").needs(May::WorkspaceRead)
                .asks(&[
                    ("filter[organization][name]", "The name of the organization. Needed."),
                    ("filter[workspace][name]", "The name of the workspace. Needed."),
                    ("page[before]", "The instant before which the list goes on; `links.next` has it."),
                ]).passes(VERSIONS_PASSED);
        GET    "/api/v2/state-versions/{version}" => tfe::versions::show,
            one("state-versions", "One version, announced or stored, with signed addresses of its bytes.").needs(May::WorkspaceRead)
                .includes(versions::INCLUDES).passes(VERSIONS_PASSED);
        GET    "/api/v2/state-versions/{version}/download" => tfe::transfers::of_version,
            state("The bytes of a version.").needs(May::StateRead);
        GET    "/api/v2/state-versions/{version}/json-download" => tfe::transfers::json_of_version,
            bytes("application/json", "The JSON form of a version, where a client sent one.").needs(May::StateRead);
        GET    "/api/v2/state-versions/{version}/outputs" => tfe::outputs::of_version,
            page("state-version-outputs", "The outputs of one version, sensitive ones without their values.").needs(May::OutputRead);
        GET    "/api/v2/state-versions/{version}/diff" => tfe::looks::compare,
            one("state-version-diffs", "What is different in a version from the one before it, or from another one.").needs(May::StateRead);
        POST   "/api/v2/state-versions/{version}/diff" => tfe::looks::compare_with,
            one("state-version-diffs", "What is different in a state that is sent. Nothing of it is stored.").needs(May::StateRead);
        GET    "/api/v2/state-versions/{version}/rollback-preview" => tfe::looks::preview,
            one("rollback-previews", "What it would mean to make an old version the current one again.").needs(May::StateRead);
        GET    "/api/v2/state-version-outputs/{output}" => tfe::outputs::show,
            one("state-version-outputs", "One output with its value, also a sensitive one.").needs(May::OutputReadSensitive);
        PUT    "/api/v2/uploads/{url}/{signature}" => tfe::transfers::upload,
            taken("Take the bytes of an announced version, their JSON form, the archive of a configuration or of policies: whichever the address is for.").always();
        GET    "/api/v2/downloads/{url}/{signature}" => tfe::transfers::download,
            state("The bytes that the address is for.");
        POST   "/api/v2/state-versions/{version}/actions/accept" => tfe::versions::accept,
            one("state-versions", "Make a kept upload the current version.").needs(May::StateAccept).loose();
        POST   "/api/v2/state-versions/{version}/actions/discard" => tfe::versions::discard,
            one("state-versions", "Drop a kept upload.").needs(May::StateAccept).loose();
        POST   "/api/v2/state-versions/{version}/actions/remove-content" => tfe::versions::remove_content,
            one("state-versions", "Remove the bytes of a version that is not current. Its evidence stays.").needs(May::StateRemove).loose();

        POST   "/api/v2/organizations/{organization}/executions" => tfe::executions::set,
            made("executions", "Say where runs happen, with which tool, and who must agree, in place of what was said before.").needs(May::RunConfigure);
        GET    "/api/v2/organizations/{organization}/executions/{scope}" => tfe::executions::show,
            one("executions", "Where the runs of a scope happen, with which tool, and who must agree.").needs(May::WorkspaceRead);
        POST   "/api/v2/organizations/{organization}/drift-schedules" => tfe::drift::set,
            made("drift-schedules", "Say how often drift is looked for in a scope.").needs(May::RunConfigure);
        GET    "/api/v2/organizations/{organization}/drift-schedules/{scope}" => tfe::drift::schedule,
            one("drift-schedules", "How often drift is looked for in a scope.").needs(May::WorkspaceRead);
        POST   "/api/v2/workspaces/{workspace}/actions/look-for-drift" => tfe::drift::start,
            made("runs", "Start a run that looks for drift: it only refreshes, holds no lock and applies nothing.").needs(May::RunPlan);
        GET    "/api/v2/workspaces/{workspace}/current-assessment-result" => tfe::drift::current,
            one("assessment-results", "The newest look for drift in a workspace.").needs(May::WorkspaceRead);
        GET    "/api/v2/workspaces/{workspace}/assessment-results" => tfe::drift::list,
            page("assessment-results", "The looks for drift in a workspace, the newest first.").needs(May::WorkspaceRead);
        GET    "/api/v2/assessment-results/{assessment}" => tfe::drift::show,
            one("assessment-results", "One look for drift.").needs(May::WorkspaceRead);
        GET    "/api/v2/organizations/{organization}/agent-pools" => tfe::agent_pools::list,
            page("agent-pools", "The pools of agents of an organization.").needs(May::AgentRead)
                .asks(&[PART_OF_NAME]).passes(&["workspaces"]);
        POST   "/api/v2/organizations/{organization}/agent-pools" => tfe::agent_pools::create,
            made("agent-pools", "Make a pool of agents.").needs(May::AgentManage);
        GET    "/api/v2/agent-pools/{pool}" => tfe::agent_pools::show,
            one("agent-pools", "One pool of agents.").needs(May::AgentRead).passes(&["workspaces"]);
        DELETE "/api/v2/agent-pools/{pool}" => tfe::agent_pools::delete,
            nothing("End a pool that no workspace relies on, and its tokens.").needs(May::AgentManage);
        GET    "/api/v2/agent-pools/{pool}/agents" => tfe::agent_pools::agents,
            page("agents", "The agents of a pool that were heard of lately.").needs(May::AgentRead);
        GET    "/api/v2/agent-pools/{pool}/authentication-tokens" => tfe::authentication_tokens::list_of_pool,
            page("authentication-tokens", "The tokens of a pool that still count.").needs(May::AgentManage);
        POST   "/api/v2/agent-pools/{pool}/authentication-tokens" => tfe::authentication_tokens::create_of_pool,
            made("authentication-tokens", "Make a token for agents of a pool.").needs(May::AgentManage);
        POST   "/api/v2/agent/jobs" => agent::next,
            perhaps("agent-jobs", "For agents: wait for a job of the pool, and take it; null where none came.")
                .needs(May::AgentWork).takes(agent::KIND);
        POST   "/api/v2/agent/jobs/{job}" => agent::ask,
            bytes(agent::BYTES, "For agents: what the runner of a job asks, and the answer.").needs(May::AgentWork).always();
        POST   "/api/v2/agent/jobs/{job}/actions/lose" => agent::lose,
            nothing("For agents: the runner of a job is gone.").needs(May::AgentWork).always();
        POST   "/api/v2/agent/runs/{run}/state" => agent::hand_over,
            nothing("For agents: a state that a lost runner left, sealed.").needs(May::AgentWork).always();
        GET    "/api/v2/workspaces/{workspace}/vars" => tfe::variables::list,
            list("vars", "The variables of a workspace; sensitive ones without their values.").needs(May::VariableRead);
        POST   "/api/v2/workspaces/{workspace}/vars" => tfe::variables::create,
            made("vars", "Make a variable.").needs(May::VariableWrite);
        GET    "/api/v2/workspaces/{workspace}/vars/{variable}" => tfe::variables::show,
            one("vars", "One variable.").needs(May::VariableRead);
        PATCH  "/api/v2/workspaces/{workspace}/vars/{variable}" => tfe::variables::update,
            one("vars", "Change a variable. A sensitive one stays so.").needs(May::VariableWrite);
        DELETE "/api/v2/workspaces/{workspace}/vars/{variable}" => tfe::variables::delete,
            nothing("Remove a variable.").needs(May::VariableWrite);
        GET    "/api/v2/workspaces/{workspace}/varsets" => tfe::variable_sets::list_of_workspace,
            page("varsets", "The sets of variables that reach a workspace.").needs(May::VariableRead)
                .asks(&[PART_OF_NAME]).passes(tfe::variable_sets::PASSED);
        GET    "/api/v2/projects/{project}/varsets" => tfe::variable_sets::list_of_project,
            page("varsets", "The sets of variables that reach all workspaces of a project.").needs(May::VariableRead)
                .asks(&[PART_OF_NAME]).passes(tfe::variable_sets::PASSED);
        GET    "/api/v2/organizations/{organization}/varsets" => tfe::variable_sets::list,
            page("varsets", "The sets of variables of an organization.").needs(May::VariableRead)
                .asks(&[PART_OF_NAME]).passes(tfe::variable_sets::PASSED);
        POST   "/api/v2/organizations/{organization}/varsets" => tfe::variable_sets::create,
            made("varsets", "Make a set of variables.").needs(May::VariableWrite);
        GET    "/api/v2/varsets/{varset}" => tfe::variable_sets::show,
            one("varsets", "One set of variables.").needs(May::VariableRead).passes(tfe::variable_sets::PASSED);
        PATCH  "/api/v2/varsets/{varset}" => tfe::variable_sets::update,
            one("varsets", "Change a set of variables; the projects or workspaces that it relates to, and no others of their kind.")
                .needs(May::VariableWrite).passes(tfe::variable_sets::PASSED);
        DELETE "/api/v2/varsets/{varset}" => tfe::variable_sets::delete,
            nothing("Remove a set with its variables.").needs(May::VariableWrite);
        POST   "/api/v2/varsets/{varset}/relationships/workspaces" => tfe::variable_sets::attach_workspaces,
            nothing("Attach a set to workspaces.").needs(May::VariableWrite);
        DELETE "/api/v2/varsets/{varset}/relationships/workspaces" => tfe::variable_sets::detach_workspaces,
            nothing("Take a set from workspaces.").needs(May::VariableWrite);
        POST   "/api/v2/varsets/{varset}/relationships/projects" => tfe::variable_sets::attach_projects,
            nothing("Attach a set to projects.").needs(May::VariableWrite);
        DELETE "/api/v2/varsets/{varset}/relationships/projects" => tfe::variable_sets::detach_projects,
            nothing("Take a set from projects.").needs(May::VariableWrite);
        GET    "/api/v2/varsets/{varset}/relationships/vars" => tfe::variables::list_of_set,
            list("vars", "The variables of a set; sensitive ones without their values.").needs(May::VariableRead);
        POST   "/api/v2/varsets/{varset}/relationships/vars" => tfe::variables::create_of_set,
            made("vars", "Make a variable of a set.").needs(May::VariableWrite);
        GET    "/api/v2/varsets/{varset}/relationships/vars/{variable}" => tfe::variables::show_of_set,
            one("vars", "One variable of a set.").needs(May::VariableRead);
        PATCH  "/api/v2/varsets/{varset}/relationships/vars/{variable}" => tfe::variables::update_of_set,
            one("vars", "Change a variable of a set. A sensitive one stays so.").needs(May::VariableWrite);
        DELETE "/api/v2/varsets/{varset}/relationships/vars/{variable}" => tfe::variables::delete_of_set,
            nothing("Remove a variable of a set.").needs(May::VariableWrite);
        GET    "/api/v2/workspaces/{workspace}/policy-sets" => tfe::policy_sets::list_of_workspace,
            page("policy-sets", "The policy sets that judge the runs of a workspace.").needs(May::PolicyRead)
                .asks(tfe::policy_sets::ASKED).passes(tfe::policy_sets::PASSED);
        GET    "/api/v2/organizations/{organization}/policy-sets" => tfe::policy_sets::list,
            page("policy-sets", "The policy sets of an organization.").needs(May::PolicyRead)
                .asks(tfe::policy_sets::ASKED).passes(tfe::policy_sets::PASSED);
        POST   "/api/v2/organizations/{organization}/policy-sets" => tfe::policy_sets::create,
            made("policy-sets", "Make a policy set, which judges nothing until a bundle is published for it.").needs(May::PolicyWrite);
        GET    "/api/v2/policy-sets/{policyset}" => tfe::policy_sets::show,
            one("policy-sets", "One policy set.").needs(May::PolicyRead).passes(tfe::policy_sets::PASSED);
        PATCH  "/api/v2/policy-sets/{policyset}" => tfe::policy_sets::update,
            one("policy-sets", "Change a policy set; the projects, workspaces or exclusions that it relates to, and no others of their kind.")
                .needs(May::PolicyWrite).passes(tfe::policy_sets::PASSED);
        DELETE "/api/v2/policy-sets/{policyset}" => tfe::policy_sets::delete,
            nothing("Remove a policy set. What it said of runs stays.").needs(May::PolicyWrite);
        POST   "/api/v2/policy-sets/{policyset}/relationships/workspaces" => tfe::policy_sets::attach_workspaces,
            nothing("Attach a policy set to workspaces.").needs(May::PolicyWrite);
        DELETE "/api/v2/policy-sets/{policyset}/relationships/workspaces" => tfe::policy_sets::detach_workspaces,
            nothing("Take a policy set from workspaces.").needs(May::PolicyWrite);
        POST   "/api/v2/policy-sets/{policyset}/relationships/projects" => tfe::policy_sets::attach_projects,
            nothing("Attach a policy set to projects.").needs(May::PolicyWrite);
        DELETE "/api/v2/policy-sets/{policyset}/relationships/projects" => tfe::policy_sets::detach_projects,
            nothing("Take a policy set from projects.").needs(May::PolicyWrite);
        POST   "/api/v2/policy-sets/{policyset}/relationships/workspace-exclusions" => tfe::policy_sets::exclude,
            nothing("Have a policy set leave out workspaces.").needs(May::PolicyWrite);
        DELETE "/api/v2/policy-sets/{policyset}/relationships/workspace-exclusions" => tfe::policy_sets::include,
            nothing("Have a policy set leave them out no more.").needs(May::PolicyWrite);
        POST   "/api/v2/policy-sets/{policyset}/versions" => tfe::policy_versions::create,
            made("policy-set-versions", "Announce a bundle of policies: the answer links to the signed address that its archive (`tar.gz`) goes to.")
                .needs(May::PolicyWrite);
        GET    "/api/v2/policy-sets/{policyset}/versions" => tfe::policy_versions::list,
            page("policy-set-versions", "The bundles that were published for a policy set, the newest first.").needs(May::PolicyRead);
        POST   "/api/v2/policy-sets/{policyset}/replays" => tfe::policy_replays::create,
            one("policy-replays", "What a bundle that is sent (`tar.gz`) would have said of stored plans, a page of them. What it comes to is kept where that is asked for.")
                .needs(May::PolicyWrite);
        GET    "/api/v2/policy-set-versions/{bundle}" => tfe::policy_versions::show,
            one("policy-set-versions", "One bundle, announced or published.").needs(May::PolicyRead);
        GET    "/api/v2/policy-set-versions/{bundle}/download" => tfe::policy_versions::download,
            bytes(tfe::policy_versions::GZIP, "The archive of a bundle, as it was published.").needs(May::PolicyRead);
        GET    "/api/v2/runs/{run}/task-stages" => tfe::task_stages::list,
            page("task-stages", "The stage of a run in which policies judge its plan; none where no policy set reaches it.").needs(May::RunRead);
        GET    "/api/v2/runs/{run}/state-verdicts" => tfe::state_verdicts::show,
            perhaps("state-verdicts", "What policies say of the state that an apply left; null where none judges it.").needs(May::RunRead);
        GET    "/api/v2/task-stages/{stage}" => tfe::task_stages::show,
            one("task-stages", "One stage.").needs(May::RunRead)
                .includes(tfe::task_stages::INCLUDES).passes(tfe::task_stages::PASSED);
        GET    "/api/v2/task-stages/{stage}/policy-evaluations" => tfe::task_stages::evaluations,
            page("policy-evaluations", "The evaluation of policies in a stage.").needs(May::RunRead);
        POST   "/api/v2/task-stages/{stage}/actions/override" => tfe::task_stages::overrule,
            one("task-stages", "Let a plan pass that soft-mandatory policies are against, for a reason.").needs(May::PolicyOverride).loose();
        GET    "/api/v2/policy-evaluations/{evaluation}/policy-set-outcomes" => tfe::task_stages::outcomes,
            page("policy-set-outcomes", "What each policy set said in an evaluation.").needs(May::RunRead);
        GET    "/api/v2/policy-set-outcomes/{outcome}" => tfe::task_stages::outcome,
            one("policy-set-outcomes", "What one policy set said of a run.").needs(May::RunRead);
        GET    "/api/v2/organizations/{organization}/cost-settings/{scope}" => tfe::costs::show,
            one("cost-settings", "By what the plans of a scope are estimated.").needs(May::CostRead);
        PATCH  "/api/v2/organizations/{organization}/cost-settings/{scope}" => tfe::costs::update,
            one("cost-settings", "Say whether the plans of a scope are estimated.").needs(May::CostWrite);
        PUT    "/api/v2/organizations/{organization}/cost-settings/{scope}/{kind}" => tfe::costs::set,
            one("cost-inputs", "Say by which price book, overlay or usage file plans are estimated from now on. What was estimated stays.").needs(May::CostWrite);
        DELETE "/api/v2/organizations/{organization}/cost-settings/{scope}/{kind}" => tfe::costs::unset,
            nothing("Say it no more.").needs(May::CostWrite);
        GET    "/api/v2/organizations/{organization}/cost-settings/{scope}/{kind}/content" => tfe::costs::content,
            bytes(tfe::costs::BYTES, "The bytes of an input, as they were sent.").needs(May::CostRead);
        GET    "/api/v2/organizations/{organization}/cost-settings/{scope}/{kind}/versions" => tfe::costs::versions,
            page("cost-versions", "All that a scope ever said of one kind of input, the newest first.").needs(May::CostRead);
        POST   "/api/v2/organizations/{organization}/cost-books" => tfe::costs::keep,
            made("cost-inputs", "Keep a price book for a replay, without estimating by it.").needs(May::CostWrite);
        GET    "/api/v2/organizations/{organization}/cost-history" => tfe::costs::past,
            one("cost-histories", "What plans came to over time.").needs(May::CostRead);
        POST   "/api/v2/organizations/{organization}/cost-replays" => tfe::costs::replay,
            one("cost-replays", "What stored plans would cost by something else, a page of them. Nothing of it is stored.").needs(May::CostRead);
        GET    "/api/v2/cost-estimates/{estimate}" => tfe::cost_estimates::show,
            one("cost-estimates", "What the plan of a run costs.").needs(May::RunRead);
        GET    "/api/v2/cost-estimates/{estimate}/json-output" => tfe::cost_estimates::json_output,
            bytes(tfe::cost_estimates::JSON, "All of an estimate, in the form of Infracost's output version 0.2 or as it is kept.").needs(May::RunRead);
        POST   "/api/v2/cost-estimates/{estimate}/actions/recompute" => tfe::cost_estimates::again,
            one("cost-recomputations", "Make an estimate again from the plan, the day and the inputs that it names, and compare.").needs(May::StateRead).loose();
        GET    "/api/v2/workspaces/{workspace}/notification-configurations" => tfe::notifications::list,
            page("notification-configurations", "Where notifications of a workspace's runs are sent, and what came of the last.")
                .needs(May::NotificationRead);
        POST   "/api/v2/workspaces/{workspace}/notification-configurations" => tfe::notifications::create,
            made("notification-configurations", "Say where notifications of a workspace's runs are sent. One that is enabled is tried first.")
                .needs(May::NotificationWrite);
        GET    "/api/v2/notification-configurations/{notification}" => tfe::notifications::show,
            one("notification-configurations", "One notification configuration.").needs(May::NotificationRead);
        PATCH  "/api/v2/notification-configurations/{notification}" => tfe::notifications::update,
            one("notification-configurations", "Change a notification configuration. One that is enabled, or sent elsewhere, is tried first.")
                .needs(May::NotificationWrite);
        DELETE "/api/v2/notification-configurations/{notification}" => tfe::notifications::delete,
            nothing("End a notification configuration.").needs(May::NotificationWrite);
        POST   "/api/v2/notification-configurations/{notification}/actions/verify" => tfe::notifications::verify,
            one("notification-configurations", "Send a message that shows whether somebody takes it.").needs(May::NotificationWrite).loose();
        POST   "/api/v2/workspaces/{workspace}/configuration-versions" => tfe::configurations::create,
            made("configuration-versions", "Wish for a configuration: the answer has the signed address that its archive goes to.")
                .needs(May::RunPlan);
        GET    "/api/v2/configuration-versions/{configuration}" => tfe::configurations::show,
            one("configuration-versions", "One configuration.").needs(May::RunPlan);
        POST   "/api/v2/runs" => tfe::runs::create,
            made("runs", "Start a run of a configuration.").needs(May::RunPlan);
        GET    "/api/v2/runs/{run}" => tfe::runs::show,
            one("runs", "One run, and how far it is.").needs(May::WorkspaceRead).asks(&[PEOPLE]).includes(tfe::runs::INCLUDES).passes(tfe::runs::PASSED);
        GET    "/api/v2/runs/{run}/run-events" => tfe::runs::events,
            list("run-events", "What is told of a run beside its status; the ledger has everything.").needs(May::WorkspaceRead)
                .passes(&["actor", "comment"]);
        GET    "/api/v2/runs/{run}/comments" => tfe::comments::list,
            list("comments", "What people said about a run and nothing else, the oldest first.").needs(May::WorkspaceRead);
        POST   "/api/v2/runs/{run}/comments" => tfe::comments::create,
            made("comments", "Say something about a run, which changes nothing.").needs(May::RunPlan);
        POST   "/api/v2/runs/{run}/actions/apply" => tfe::runs::confirm,
            accepted("Say that a run shall be applied.").needs(May::RunApply);
        POST   "/api/v2/runs/{run}/actions/discard" => tfe::runs::discard,
            accepted("Say that it shall not.").needs(May::RunApply);
        POST   "/api/v2/runs/{run}/actions/cancel" => tfe::runs::cancel,
            accepted("Ask it to stop.").needs(May::RunPlan);
        POST   "/api/v2/runs/{run}/actions/force-cancel" => tfe::runs::force_cancel,
            accepted("Stop it, after it was asked to and did not.").needs(May::RunForce);
        POST   "/api/v2/runs/{run}/actions/approve" => tfe::runs::approve,
            one("runs", "Approve what a run would apply.").needs(May::RunApprove).loose();
        POST   "/api/v2/runs/{run}/actions/reject" => tfe::runs::reject,
            one("runs", "Reject what a run would apply.").needs(May::RunApprove).loose();
        POST   "/api/v2/runs/{run}/actions/withdraw" => tfe::runs::withdraw,
            one("runs", "Take one's approval back.").needs(May::RunApprove).loose();
        GET    "/api/v2/workspaces/{workspace}/runs" => tfe::runs::list,
            page("runs", "The runs of a workspace, the newest first.").needs(May::WorkspaceRead).passes(tfe::runs::PASSED);
        GET    "/api/v2/organizations/{organization}/runs/queue" => tfe::runs::queue,
            page("runs", "The runs that wait or work, the oldest first.").needs(May::WorkspaceRead);
        GET    "/api/v2/organizations/{organization}/runs/waiting" => tfe::runs::waiting,
            page("runs", "The runs that wait for something that the caller may do, the oldest first; none to who sees no run.").needs(May::OrganizationRead);
        GET    "/api/v2/organizations/{organization}/capacity" => tfe::runs::capacity,
            one("organization-capacity", "How many runs wait, and how many work.").needs(May::WorkspaceRead);
        GET    "/api/v2/plans/{plan}" => tfe::plans::show_plan,
            one("plans", "The plan of a run, with the address of its log.").needs(May::WorkspaceRead);
        GET    "/api/v2/plans/{plan}/json-output" => tfe::plans::json_output,
            bytes("application/json", "A plan as `terraform show -json` gives it.").needs(May::StateRead);
        GET    "/api/v2/plans/{plan}/json-output-redacted" => tfe::plans::json_output_redacted,
            bytes("application/json", "A plan for the screen, sensitive values hidden.").needs(May::RunRead);
        GET    "/api/v2/plans/{plan}/state-copy" => tfe::plans::state_copy,
            bytes("application/json", "The newest copy that a run kept of a state in a backend elsewhere.").needs(May::StateRead);
        GET    "/api/v2/applies/{apply}" => tfe::plans::show_apply,
            one("applies", "The apply of a run, with the address of its log.").needs(May::WorkspaceRead);
        GET    "/api/v2/logs/{url}/{signature}" => tfe::plans::log,
            bytes("text/plain; charset=utf-8", "Some of the log that the address is for, as it grows.");

        GET    "/api/v2/organizations/{organization}/keys" => tfe::keys::list,
            list("key-epochs", "Every key epoch of an organization.").needs(May::KeyRead);
        POST   "/api/v2/organizations/{organization}/keys/actions/rotate" => tfe::keys::rotate,
            made("key-epochs", "Open a new key epoch of an organization.").needs(May::KeyRotate);
        POST   "/api/v2/organizations/{organization}/keys/actions/rewrap" => tfe::keys::rewrap,
            one("key-rewraps", "Renew what older epochs hold. Answers when it is done.").needs(May::KeyRotate);
        GET    "/api/v2/site/keys" => tfe::keys::list_site,
            list("key-epochs", "Every key epoch of the site.").needs(May::SiteKeyRotate);
        POST   "/api/v2/site/keys/actions/rotate" => tfe::keys::rotate_site,
            made("key-epochs", "Open a new key epoch of the site.").needs(May::SiteKeyRotate);
        POST   "/api/v2/site/keys/actions/rewrap" => tfe::keys::rewrap_site,
            one("key-rewraps", "Renew what older epochs of the site hold.").needs(May::SiteKeyRotate);

        GET    "/api/v2/organizations/{organization}/ledger/export" => tfe::ledgers::export,
            bytes("application/x-tar", "The ledger of an organization, as a bundle for `statehouse verify`.").needs(May::LedgerRead);
        POST   "/api/v2/organizations/{organization}/ledger/actions/verify-live" => tfe::ledgers::verify_live,
            one("ledger-reports", "Compare an organization's database with its ledger. Differences are a result, not a failure.")
                .needs(May::LedgerVerify);
        POST   "/api/v2/organizations/{organization}/ledger/actions/publish" => tfe::ledgers::publish,
            nothing("Publish checkpoint and hashes to everybody, or stop.").needs(May::LedgerPublish);
        GET    "/api/v2/site/ledger/export" => tfe::ledgers::export_site,
            bytes("application/x-tar", "The ledger of the site, as a bundle for `statehouse verify`.").needs(May::SiteLedgerRead);
        GET    "/api/v2/site/shredded-organizations/{house}/ledger/export" => tfe::ledgers::export_shredded,
            bytes("application/x-tar", "The ledger of an organization whose keys were destroyed, as a bundle.").needs(May::SiteLedgerRead);
        POST   "/api/v2/site/ledger/actions/verify-live" => tfe::ledgers::verify_live_site,
            one("ledger-reports", "Compare the site's database with its ledger.").needs(May::SiteLedgerRead);
        POST   "/api/v2/site/backups" => tfe::backups::create,
            bytes("application/x-tar", "Make a backup of the site and every organization, sealed as it is stored.").needs(May::SiteBackup);
    }
}
