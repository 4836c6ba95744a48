CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE artifacts (
	sha256 VARCHAR NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	media_type VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (sha256)
);
CREATE TABLE spaces (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	settings JSON NOT NULL, 
	size VARCHAR NOT NULL, 
	num_choices BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_spaces PRIMARY KEY (id)
);
CREATE TABLE job_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	job_id VARCHAR NOT NULL, 
	attempt BIGINT NOT NULL, 
	type VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT fk_job_events_job_id FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE TABLE supernets (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	data_set_id VARCHAR NOT NULL, 
	training JSON NOT NULL, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	version VARCHAR, 
	summary JSON, 
	created_at DATETIME NOT NULL, start JSON DEFAULT '{"kind": "scratch"}' NOT NULL, teacher JSON, project_id VARCHAR DEFAULT 'default' NOT NULL, description VARCHAR, labels JSON DEFAULT '{}' NOT NULL, revision BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_supernets PRIMARY KEY (id), 
	CONSTRAINT fk_supernets_data_set_id FOREIGN KEY(data_set_id) REFERENCES data_sets (id), 
	CONSTRAINT fk_supernets_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_supernets_space_id FOREIGN KEY(space_id) REFERENCES spaces (id), 
	CONSTRAINT fk_supernets_version FOREIGN KEY(version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_supernets_job_id UNIQUE (job_id)
);
CREATE TABLE evaluations (
	id VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	evaluator_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	reason VARCHAR, 
	search_id VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_evaluations PRIMARY KEY (id), 
	CONSTRAINT ck_evaluations_status CHECK (status IN ('measured', 'infeasible', 'failed')), 
	CONSTRAINT fk_evaluations_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT fk_evaluations_space_id FOREIGN KEY(space_id) REFERENCES spaces (id)
);
CREATE TABLE exports (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	report_test BOOLEAN NOT NULL, 
	job_id VARCHAR NOT NULL, 
	files JSON NOT NULL, 
	card JSON, 
	test_report JSON, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_exports PRIMARY KEY (id), 
	CONSTRAINT fk_exports_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_exports_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_exports_job_id UNIQUE (job_id)
);
CREATE TABLE measurements (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	occasion BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_measurements PRIMARY KEY (id), 
	CONSTRAINT fk_measurements_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_measurements_search_id_occasion_architecture_digest UNIQUE (search_id, occasion, architecture_digest)
);
CREATE TABLE proposals (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	step BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_proposals PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_proposals_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_proposals_search_id_architecture_digest UNIQUE (search_id, architecture_digest)
);
CREATE TABLE observations (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	evaluation_id VARCHAR NOT NULL, 
	step BIGINT NOT NULL, 
	told_order BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_observations PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_observations_evaluation_id FOREIGN KEY(evaluation_id) REFERENCES evaluations (id), 
	CONSTRAINT fk_observations_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_observations_search_id_told_order UNIQUE (search_id, told_order)
);
CREATE TABLE refinements (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	selection JSON NOT NULL, 
	training JSON NOT NULL, 
	distillation DOUBLE NOT NULL, 
	runs BIGINT NOT NULL, 
	evaluator JSON NOT NULL, 
	resources JSON NOT NULL, 
	export BOOLEAN NOT NULL, 
	report_test BOOLEAN NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_refinements PRIMARY KEY (id), 
	CONSTRAINT fk_refinements_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_refinements_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_refinements_job_id UNIQUE (job_id)
);
CREATE TABLE refined_networks (
	refinement_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	position BIGINT NOT NULL, 
	architecture JSON NOT NULL, 
	found JSON NOT NULL, 
	version VARCHAR, 
	soup JSON, 
	"before" JSON, 
	"after" JSON, 
	files JSON NOT NULL, 
	card JSON, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_refined_networks PRIMARY KEY (refinement_id, architecture_digest), 
	CONSTRAINT fk_refined_networks_refinement_id FOREIGN KEY(refinement_id) REFERENCES refinements (id), 
	CONSTRAINT fk_refined_networks_version FOREIGN KEY(version) REFERENCES artifacts (sha256)
);
CREATE TABLE fine_tunings (
	refinement_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	run BIGINT NOT NULL, 
	seed BIGINT NOT NULL, 
	version VARCHAR NOT NULL, 
	accuracy JSON NOT NULL, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_fine_tunings PRIMARY KEY (refinement_id, architecture_digest, run), 
	CONSTRAINT fk_fine_tunings_refinement_id FOREIGN KEY(refinement_id, architecture_digest) REFERENCES refined_networks (refinement_id, architecture_digest), 
	CONSTRAINT fk_fine_tunings_version FOREIGN KEY(version) REFERENCES artifacts (sha256)
);
CREATE TABLE assessed_architectures (
	assessment_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	reason VARCHAR, 
	standalone JSON, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_assessed_architectures PRIMARY KEY (assessment_id, number), 
	CONSTRAINT ck_assessed_architectures_status CHECK (status IN ('measured', 'infeasible', 'failed')), 
	CONSTRAINT fk_assessed_architectures_assessment_id FOREIGN KEY(assessment_id) REFERENCES assessments (id)
);
CREATE TABLE "test_readings" (
	id VARCHAR NOT NULL, 
	export_id VARCHAR, 
	data_set_id VARCHAR NOT NULL, 
	network_digest VARCHAR NOT NULL, 
	result JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	refinement_id VARCHAR, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_test_readings PRIMARY KEY (id), 
	CONSTRAINT uq_test_readings_export_id UNIQUE (export_id), 
	CONSTRAINT fk_test_readings_data_set_id FOREIGN KEY(data_set_id) REFERENCES data_sets (id), 
	CONSTRAINT fk_test_readings_export_id FOREIGN KEY(export_id) REFERENCES exports (id), 
	CONSTRAINT fk_test_readings_refinement_id FOREIGN KEY(refinement_id) REFERENCES refinements (id), 
	CONSTRAINT uq_test_readings_refinement_id UNIQUE (refinement_id), 
	CONSTRAINT ck_test_readings_subject CHECK ((export_id IS NULL) <> (refinement_id IS NULL))
);
CREATE TABLE job_dependencies (
	job_id VARCHAR NOT NULL, 
	depends_on VARCHAR NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_job_dependencies PRIMARY KEY (job_id, depends_on), 
	CONSTRAINT fk_job_dependencies_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_job_dependencies_depends_on FOREIGN KEY(depends_on) REFERENCES jobs (id)
);
CREATE TABLE job_needs (
	job_id VARCHAR NOT NULL, 
	resource VARCHAR NOT NULL, 
	amount DOUBLE NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_job_needs PRIMARY KEY (job_id, resource), 
	CONSTRAINT fk_job_needs_job_id FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE TABLE runners (
	id VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	num_cpus DOUBLE NOT NULL, 
	num_gpus DOUBLE NOT NULL, 
	custom JSON NOT NULL, 
	version VARCHAR NOT NULL, 
	started_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_runners PRIMARY KEY (id)
);
CREATE TABLE assessments (
	id VARCHAR NOT NULL, 
	supernet_id VARCHAR NOT NULL, 
	supernet_version VARCHAR, 
	samples BIGINT NOT NULL, 
	strata BIGINT NOT NULL, 
	accuracy JSON NOT NULL, 
	standalone JSON, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	summary JSON, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_assessments PRIMARY KEY (id), 
	CONSTRAINT fk_assessments_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_assessments_supernet_id FOREIGN KEY(supernet_id) REFERENCES supernets (id), 
	CONSTRAINT fk_assessments_supernet_version FOREIGN KEY(supernet_version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_assessments_job_id UNIQUE (job_id)
);
CREATE TABLE projects (
	id VARCHAR NOT NULL, 
	max_active_jobs BIGINT, 
	max_running_jobs BIGINT, 
	max_bytes BIGINT, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (id)
);
CREATE TABLE project_artifacts (
	project_id VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	CONSTRAINT pk_project_artifacts PRIMARY KEY (project_id, sha256), 
	CONSTRAINT fk_project_artifacts_sha256 FOREIGN KEY(sha256) REFERENCES artifacts (sha256) ON DELETE CASCADE
);
CREATE TABLE api_keys (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	project_id VARCHAR NOT NULL, 
	scopes JSON NOT NULL, 
	prefix VARCHAR NOT NULL, 
	secret_sha256 VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	last_used_at DATETIME, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id), 
	CONSTRAINT fk_api_keys_project_id FOREIGN KEY(project_id) REFERENCES projects (id), 
	CONSTRAINT uq_api_keys_prefix UNIQUE (prefix)
);
CREATE TABLE audit_log (
	id VARCHAR NOT NULL, 
	key_id VARCHAR, 
	owner VARCHAR NOT NULL, 
	project_id VARCHAR NOT NULL, 
	request_id VARCHAR, 
	method VARCHAR NOT NULL, 
	route VARCHAR NOT NULL, 
	resource VARCHAR, 
	status BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_audit_log PRIMARY KEY (id)
);
CREATE TABLE data_sets (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	source JSON NOT NULL, 
	version VARCHAR NOT NULL, 
	counts JSON NOT NULL, 
	shape JSON NOT NULL, 
	num_classes BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, report JSON, project_id VARCHAR DEFAULT 'default' NOT NULL, supersedes_id VARCHAR, description VARCHAR, labels JSON DEFAULT '{}' NOT NULL, revision BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_data_sets PRIMARY KEY (id), 
	CONSTRAINT fk_data_sets_version FOREIGN KEY(version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_data_sets_project_id_name UNIQUE (project_id, name)
);
CREATE TABLE uploads (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	completed_at DATETIME, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_uploads PRIMARY KEY (id), 
	CONSTRAINT uq_uploads_project_id_sha256_size_bytes_name UNIQUE (project_id, sha256, size_bytes, name)
);
CREATE TABLE webhooks (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	url VARCHAR NOT NULL, 
	events JSON NOT NULL, 
	secret VARCHAR NOT NULL, 
	active BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_webhooks PRIMARY KEY (id)
);
CREATE TABLE deliveries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	webhook_id VARCHAR NOT NULL, 
	type VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	attempts BIGINT NOT NULL, 
	next_attempt_at DATETIME, 
	response_status BIGINT, 
	error VARCHAR, 
	created_at DATETIME NOT NULL, 
	delivered_at DATETIME, 
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT ck_deliveries_status CHECK (status IN ('waiting', 'delivered', 'failed')), 
	CONSTRAINT fk_deliveries_webhook_id FOREIGN KEY(webhook_id) REFERENCES webhooks (id)
);
CREATE TABLE jobs (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	spec JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	attempt BIGINT NOT NULL, 
	priority BIGINT NOT NULL, 
	lost_leases BIGINT NOT NULL, 
	lease_owner VARCHAR, 
	lease_expires_at DATETIME, 
	progress JSON, 
	error JSON, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, submitted_by VARCHAR, deadline_at DATETIME, not_before DATETIME, retry JSON, failed_attempts BIGINT DEFAULT '0' NOT NULL, pause_requested BOOLEAN DEFAULT 0 NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT ck_jobs_kind CHECK (kind IN ('train', 'search', 'outside', 'export', 'refine', 'assess')), 
	CONSTRAINT ck_jobs_status CHECK (status IN ('queued', 'running', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled', 'preempted'))
);
CREATE TABLE searches (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	supernet_id VARCHAR, 
	space_id VARCHAR NOT NULL, 
	searcher JSON NOT NULL, 
	objectives JSON NOT NULL, 
	limits JSON NOT NULL, 
	evaluations BIGINT NOT NULL, 
	evaluator JSON NOT NULL, 
	evaluator_digest VARCHAR, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, project_id VARCHAR DEFAULT 'default' NOT NULL, log_length BIGINT, description VARCHAR, labels JSON DEFAULT '{}' NOT NULL, revision BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_searches PRIMARY KEY (id), 
	CONSTRAINT fk_searches_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_searches_space_id FOREIGN KEY(space_id) REFERENCES spaces (id), 
	CONSTRAINT fk_searches_supernet_id FOREIGN KEY(supernet_id) REFERENCES supernets (id), 
	CONSTRAINT uq_searches_job_id UNIQUE (job_id)
);
CREATE TABLE proposal_leases (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	token VARCHAR NOT NULL, 
	fence BIGINT NOT NULL, 
	worker VARCHAR, 
	expires_at DATETIME NOT NULL, 
	step BIGINT NOT NULL, 
	CONSTRAINT pk_proposal_leases PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_proposal_leases_search_id_number FOREIGN KEY(search_id, number) REFERENCES proposals (search_id, number)
);
CREATE TABLE campaigns (
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	settings JSON NOT NULL, 
	revision BIGINT NOT NULL, 
	is_paused BOOLEAN NOT NULL, 
	supernet_id VARCHAR NOT NULL, 
	num_started BIGINT NOT NULL, 
	accounted_until DATETIME NOT NULL, 
	next_at DATETIME, 
	reference JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_campaigns PRIMARY KEY (id), 
	CONSTRAINT uq_campaigns_project_id_name UNIQUE (project_id, name)
);
CREATE TABLE occurrences (
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	id VARCHAR NOT NULL, 
	campaign_id VARCHAR NOT NULL, 
	fire_at DATETIME NOT NULL, 
	first_at DATETIME NOT NULL, 
	firings BIGINT NOT NULL, 
	"trigger" VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	stage VARCHAR, 
	reason VARCHAR, 
	number BIGINT, 
	settings JSON NOT NULL, 
	supernet_id VARCHAR, 
	training_job_id VARCHAR, 
	export_id VARCHAR, 
	candidate JSON, 
	evaluations BIGINT NOT NULL, 
	worker_hours DOUBLE NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	CONSTRAINT pk_occurrences PRIMARY KEY (id), 
	CONSTRAINT ck_occurrences_trigger CHECK (trigger IN ('schedule', 'manual')), 
	CONSTRAINT ck_occurrences_status CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'skipped')), 
	CONSTRAINT ck_occurrences_stage CHECK (stage IN ('training', 'searching', 'exporting')), 
	CONSTRAINT fk_occurrences_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id), 
	CONSTRAINT uq_occurrences_campaign_id_fire_at UNIQUE (campaign_id, fire_at)
);
CREATE TABLE occurrence_searches (
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	occurrence_id VARCHAR NOT NULL, 
	position BIGINT NOT NULL, 
	search_id VARCHAR NOT NULL, 
	place JSON NOT NULL, 
	place_digest VARCHAR NOT NULL, 
	hypervolume DOUBLE, 
	result JSON, 
	CONSTRAINT pk_occurrence_searches PRIMARY KEY (occurrence_id, position), 
	CONSTRAINT fk_occurrence_searches_occurrence_id FOREIGN KEY(occurrence_id) REFERENCES occurrences (id), 
	CONSTRAINT fk_occurrence_searches_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_occurrence_searches_search_id UNIQUE (search_id)
);
CREATE TABLE promotions (
	project_id VARCHAR DEFAULT 'default' NOT NULL, 
	id VARCHAR NOT NULL, 
	campaign_id VARCHAR NOT NULL, 
	occurrence_id VARCHAR NOT NULL, 
	export_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	supernet_id VARCHAR NOT NULL, 
	figures JSON NOT NULL, 
	reason VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_promotions PRIMARY KEY (id), 
	CONSTRAINT fk_promotions_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id), 
	CONSTRAINT fk_promotions_occurrence_id FOREIGN KEY(occurrence_id) REFERENCES occurrences (id), 
	CONSTRAINT fk_promotions_export_id FOREIGN KEY(export_id) REFERENCES exports (id), 
	CONSTRAINT uq_promotions_occurrence_id UNIQUE (occurrence_id)
);
CREATE TABLE idempotency_answers (
	id VARCHAR NOT NULL, 
	caller VARCHAR NOT NULL, 
	route VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	status BIGINT NOT NULL, 
	headers JSON NOT NULL, 
	body VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	CONSTRAINT pk_idempotency_answers PRIMARY KEY (id)
);
CREATE INDEX ix_job_events_job_id_id ON job_events (job_id, id);
CREATE UNIQUE INDEX uq_evaluations_failure ON evaluations (search_id, architecture_digest) WHERE status = 'failed';
CREATE INDEX ix_test_readings_network_digest ON test_readings (network_digest);
CREATE INDEX ix_job_dependencies_depends_on ON job_dependencies (depends_on);
CREATE INDEX ix_assessments_supernet_id_id ON assessments (supernet_id, id);
CREATE INDEX ix_project_artifacts_sha256 ON project_artifacts (sha256);
CREATE INDEX ix_audit_log_project_id_id ON audit_log (project_id, id);
CREATE INDEX ix_audit_log_key_id_id ON audit_log (key_id, id);
CREATE INDEX ix_evaluations_project_id_architecture_digest_id ON evaluations (project_id, architecture_digest, id);
CREATE INDEX ix_evaluations_project_id_evaluator_digest_id ON evaluations (project_id, evaluator_digest, id);
CREATE INDEX ix_evaluations_project_id_space_id_id ON evaluations (project_id, space_id, id);
CREATE INDEX ix_evaluations_project_id_id ON evaluations (project_id, id);
CREATE UNIQUE INDEX uq_evaluations_result ON evaluations (project_id, space_id, architecture_digest, evaluator_digest) WHERE status <> 'failed';
CREATE INDEX ix_deliveries_status_next_attempt_at ON deliveries (status, next_attempt_at);
CREATE INDEX ix_deliveries_webhook_id_id ON deliveries (webhook_id, id);
CREATE INDEX ix_jobs_kind_id ON jobs (kind, id);
CREATE INDEX ix_jobs_status_priority_id ON jobs (status, priority, id);
CREATE INDEX ix_jobs_project_id_id ON jobs (project_id, id);
CREATE INDEX ix_proposal_leases_search_id_step ON proposal_leases (search_id, step);
CREATE INDEX ix_data_sets_supersedes_id ON data_sets (supersedes_id);
CREATE INDEX ix_campaigns_next_at ON campaigns (next_at);
CREATE INDEX ix_occurrences_campaign_id_id ON occurrences (campaign_id, id);
CREATE INDEX ix_occurrences_status_id ON occurrences (status, id);
CREATE INDEX ix_occurrence_searches_place_digest ON occurrence_searches (place_digest);
CREATE INDEX ix_promotions_campaign_id_id ON promotions (campaign_id, id);
CREATE INDEX ix_evaluations_status ON evaluations (status);
CREATE INDEX ix_idempotency_answers_expires_at ON idempotency_answers (expires_at);
CREATE INDEX ix_assessments_project_id_id ON assessments (project_id, id);
CREATE INDEX ix_assessments_project_id_supernet_id_id ON assessments (project_id, supernet_id, id);
CREATE INDEX ix_campaigns_project_id_id ON campaigns (project_id, id);
CREATE INDEX ix_data_sets_project_id_id ON data_sets (project_id, id);
CREATE INDEX ix_evaluations_project_id_search_id_id ON evaluations (project_id, search_id, id);
CREATE INDEX ix_evaluations_project_id_status_id ON evaluations (project_id, status, id);
CREATE INDEX ix_exports_project_id_id ON exports (project_id, id);
CREATE INDEX ix_exports_project_id_architecture_digest_id ON exports (project_id, architecture_digest, id);
CREATE INDEX ix_exports_project_id_search_id_id ON exports (project_id, search_id, id);
CREATE INDEX ix_jobs_project_id_kind_id ON jobs (project_id, kind, id);
CREATE INDEX ix_jobs_project_id_status_id ON jobs (project_id, status, id);
CREATE INDEX ix_refinements_project_id_id ON refinements (project_id, id);
CREATE INDEX ix_refinements_project_id_name_id ON refinements (project_id, name, id);
CREATE INDEX ix_refinements_project_id_search_id_id ON refinements (project_id, search_id, id);
CREATE INDEX ix_searches_project_id_id ON searches (project_id, id);
CREATE INDEX ix_searches_project_id_name_id ON searches (project_id, name, id);
CREATE INDEX ix_searches_project_id_supernet_id_id ON searches (project_id, supernet_id, id);
CREATE INDEX ix_searches_project_id_space_id_id ON searches (project_id, space_id, id);
CREATE INDEX ix_supernets_project_id_id ON supernets (project_id, id);
CREATE INDEX ix_supernets_project_id_name_id ON supernets (project_id, name, id);
CREATE INDEX ix_supernets_project_id_space_id_id ON supernets (project_id, space_id, id);
CREATE INDEX ix_supernets_project_id_data_set_id_id ON supernets (project_id, data_set_id, id);
CREATE INDEX ix_uploads_project_id_id ON uploads (project_id, id);
CREATE INDEX ix_uploads_project_id_name_id ON uploads (project_id, name, id);
CREATE INDEX ix_webhooks_project_id_id ON webhooks (project_id, id);
CREATE INDEX ix_jobs_project_id_kind_status_id ON jobs (project_id, kind, status, id);
CREATE INDEX ix_spaces_created_at_id ON spaces (created_at, id);
CREATE INDEX ix_spaces_kind_created_at_id ON spaces (kind, created_at, id);
INSERT INTO alembic_version (version_num) VALUES ('0011');
-- rows
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 100, 'application/octet-stream', '2026-11-21 17:01:16.387000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 100, 'application/octet-stream', '2026-11-21 17:01:16.680000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 2000, 'application/vnd.onnx', '2026-11-21 17:01:17.244000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 100, 'text/csv', '2026-11-21 17:01:18.679000');
INSERT INTO audit_log ("id", "key_id", "owner", "project_id", "request_id", "method", "route", "resource", "status", "created_at") VALUES ('chg_01m7zgw5z9mdskrpwfn1kdgymv', NULL, 'local', 'default', NULL, 'POST', '/v1/keys', 'key_01m7zgw5y0e8v52fbxhsmkrxav', 201, '2026-11-21 17:01:16.137000');
INSERT INTO campaigns ("project_id", "id", "name", "settings", "revision", "is_paused", "supernet_id", "num_started", "accounted_until", "next_at", "reference", "created_at") VALUES ('default', 'cam_01kjkb3q00vrsb8r6h9xbpw57m', 'nightly', '{"name":"nightly","schedule":{"kind":"interval","every_seconds":600,"anchor":"2026-03-01T00:00:00Z"},"template":{"search":{"name":"x","supernet":"net_01m7zgw69f4t7rrpysakaxzzg8","searcher":{"kind":"random","batch_size":20,"warm_start":[]},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[],"evaluations":10,"evaluator":{"kind":"supernet","accuracy":{"kind":"accuracy","split":"validation","calibration_images":512,"calibration_seed":0,"batch_size":256,"precision":"float32","channels_last":true},"latency":{"kind":"latency","runtime":"onnxruntime","device":"cpu","threads":1,"batch_size":1,"statistic":"p10","warmup":2,"repeats":30,"finalist_repeats":99,"sessions":3,"min_sample_ms":0.5,"spinning":false,"drift_correction":true}},"resources":{"num_workers":1,"cpus_per_worker":1,"gpus_per_worker":0,"custom_per_worker":{},"max_worker_deaths":3},"seed":0,"job":{"priority":0,"deadline_seconds":null,"deadline_at":null,"retry":null,"after":[]}},"matrix":{"devices":[],"limits":[],"searchers":[],"seeds":[]},"warm_start":true,"vary_seed":true,"retraining":null},"overlap":"skip","catch_up":{"kind":"run_once"},"grace_seconds":60,"budget":{"evaluations":null,"worker_hours":null},"promotion":null}', 1, false, 'net_01m7zgw69f4t7rrpysakaxzzg8', 1, '2026-03-01 00:10:00.000000', '2026-03-01 00:20:00.000000', NULL, '2026-03-01 00:00:00.000000');
INSERT INTO idempotency_answers ("id", "caller", "route", "key", "fingerprint", "status", "headers", "body", "created_at", "expires_at") VALUES ('c62d33be43213f7410b007185fa6ddf611a2de36e309b8b0a05cb8c506c6bfad', '', 'POST /v1/uploads', 'a key', '0000000000000000000000000000000000000000000000000000000000000000', 201, '{}', '{}', '2026-11-21 17:01:16.208000', '2026-11-22 17:01:16.208000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw69f6rm2d5vz30a2p8pk', 'train', '{"supernet_id":"net_01m7zgw69f4t7rrpysakaxzzg8","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"training":{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}},"start":{"kind":"scratch"},"teacher":null,"resources":{"num_workers":1},"seed":1}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:16.463000', '2026-11-21 17:01:16.581000', '2026-11-21 17:01:16.680000', NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw6n29djmevbfnqxmrq27', 'search', '{"search_id":"sea_01m7zgw6n2yjd5bvm78fnpr2gq","supernet":{"id":"net_01m7zgw69f4t7rrpysakaxzzg8","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space_id":"a59026bc8e8c7dde","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"searcher":{"kind":"random"},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[{"metric":"latency_ms","lower":null,"upper":1.0}],"evaluations":10,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"evaluator_digest":"2eebf6fb32535a77","resources":{},"seed":0}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:16.834000', '2026-11-21 17:01:16.908000', '2026-11-21 17:01:17.159000', NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw6zry2fbp4fppfxwanya', 'export', '{"export_id":"exp_01m7zgw6zrkwp23dkdh3m3aac6","search_id":"sea_01m7zgw6n2yjd5bvm78fnpr2gq","supernet":{"id":"net_01m7zgw69f4t7rrpysakaxzzg8","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"architecture":{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3},"architecture_digest":"fe72135a4c9f6d8a","evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"report_test":false}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:17.176000', '2026-11-21 17:01:17.212000', '2026-11-21 17:01:17.244000', NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw753mqv8q3066gcdpw74', 'train', '{"supernet_id":"net_01m7zgw753g5fhdqmnw4n5mg5f","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"training":{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}},"start":{"kind":"scratch"},"teacher":null,"resources":{"num_workers":1},"seed":1}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:17.347000', '2026-11-21 17:01:17.394000', '2026-11-21 17:01:18.094000', NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw7yfzwwbg1h74eyt6zt3', 'assess', '{"assessment_id":"ass_01m7zgw7yfp49q2nw48we0va81","supernet":{"id":"net_01m7zgw753g5fhdqmnw4n5mg5f","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"samples":3,"strata":1,"accuracy":{},"standalone":{"count":3},"resources":{},"seed":0}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:18.159000', '2026-11-21 17:01:18.204000', '2026-11-21 17:01:18.455000', NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw88kp8kk8zemyeq4c6ya', 'refine', '{"refinement_id":"ref_01m7zgw88k8cg9jhj2avskxxbb","supernet":{"id":"net_01m7zgw69f4t7rrpysakaxzzg8","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[{"metric":"latency_ms","lower":null,"upper":1.0}],"architectures":[{"a":1},{"a":1}],"search_id":"sea_01m7zgw6n2yjd5bvm78fnpr2gq","training":{"epochs":2},"distillation":1.0,"runs":2,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"resources":{},"export":true,"report_test":true,"seed":5}', 'running', 1, 0, 0, 'runner', '2026-11-21 17:02:18.558000', NULL, NULL, '2026-11-21 17:01:18.483000', '2026-11-21 17:01:18.558000', NULL, NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw8bz2kptjn5kc7rwacny', 'outside', '{"search_id":"sea_01m7zgw8bzr52yqk58a6rqpzhg","space_id":"93f27eac9409612b","searcher":{"kind":"random"},"objectives":[{"metric":"joules","goal":"minimize"},{"metric":"top1_percent","goal":"maximize"}],"limits":[],"evaluations":20,"evaluator":{"kind":"outside","lease_seconds":60.0,"barrier":false},"evaluator_digest":"966ea444dd202867","seed":7}', 'running', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:18.591000', '2026-11-21 17:01:18.628000', NULL, NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw8eq84msg258wkp1ppsg', 'search', '{"search_id":"sea_01m7zgw8eq3djcakk9whhj448a","space_id":"93f27eac9409612b","space":{"kind":"custom","name":"cubes","choices":[{"name":"a","options":[0,1,2,3],"when":null},{"name":"b","options":[0,1,2,3],"when":null},{"name":"c","options":[0,1,2,3],"when":null}]},"searcher":{"kind":"random"},"objectives":[{"metric":"joules","goal":"minimize"}],"limits":[],"evaluations":5,"evaluator":{"kind":"table","table_version":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","choices":["a","b","c"],"metrics":["joules"]},"evaluator_digest":"992cf348e75116c4","seed":7}', 'queued', 0, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:18.679000', NULL, NULL, NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at", "submitted_by", "deadline_at", "not_before", "retry", "failed_attempts", "pause_requested", "project_id") VALUES ('job_01m7zgw8pp50r3w73pvvaqms4v', 'search', '{"search_id":"sea_01m7zgw8pp8rczdkx5v0zq17j7","supernet":{"id":"net_01m7zgw69f4t7rrpysakaxzzg8","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space_id":"a59026bc8e8c7dde","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7zgw673ss753c75mkb1pf4j","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"searcher":{"kind":"random","batch_size":20,"warm_start":[]},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[],"evaluations":10,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{"kind":"accuracy","split":"validation","calibration_images":512,"calibration_seed":0,"batch_size":256,"precision":"float32","channels_last":true},"latency":{"kind":"latency","runtime":"onnxruntime","device":"cpu","threads":1,"batch_size":1,"statistic":"p10","warmup":2,"repeats":30,"finalist_repeats":99,"sessions":3,"min_sample_ms":0.5,"spinning":false,"drift_correction":true}},"evaluator_digest":"14b8b62edfc824cb","resources":{"num_workers":1,"cpus_per_worker":1,"gpus_per_worker":0,"custom_per_worker":{},"max_worker_deaths":3},"seed":0}', 'queued', 0, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 17:01:18.934000', NULL, NULL, NULL, NULL, NULL, 'null', 0, false, 'default');
INSERT INTO projects ("id", "max_active_jobs", "max_running_jobs", "max_bytes", "created_at") VALUES ('default', NULL, NULL, NULL, '2026-11-21 17:01:15');
INSERT INTO runners ("id", "host", "num_cpus", "num_gpus", "custom", "version", "started_at", "seen_at") VALUES ('host:1:a', 'host', 2.0, 0.0, '{"phone":1.0}', '0.1.0', '2026-11-21 17:01:16.185000', '2026-11-21 17:01:16.185000');
INSERT INTO spaces ("id", "kind", "settings", "size", "num_choices", "created_at") VALUES ('a59026bc8e8c7dde', 'mobilenetv3', '{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4}', '1391054472', 25, '2026-11-21 17:01:16.360000');
INSERT INTO spaces ("id", "kind", "settings", "size", "num_choices", "created_at") VALUES ('93f27eac9409612b', 'custom', '{"kind":"custom","name":"cubes","choices":[{"name":"a","options":[0,1,2,3],"when":null},{"name":"b","options":[0,1,2,3],"when":null},{"name":"c","options":[0,1,2,3],"when":null}]}', '64', 3, '2026-11-21 17:01:18.587000');
INSERT INTO uploads ("id", "name", "size_bytes", "sha256", "created_at", "completed_at", "project_id") VALUES ('upl_01m7zgw62s4mpnqprf4frqnxq5', 'photos.zip', 1000, '0000000000000000000000000000000000000000000000000000000000000000', '2026-11-21 17:01:16.249000', NULL, 'default');
INSERT INTO webhooks ("id", "name", "url", "events", "secret", "active", "created_at", "project_id") VALUES ('hok_01m7zgw6040add01m3njs87ggg', 'builds', 'https://ci.example.org/hook', '["job.succeeded"]', 'whsec_PXexH45NGozmwodbS8XFOg43ZEEyqUqcMLbjCRYp_h4', true, '2026-11-21 17:01:16.164000', 'default');
INSERT INTO api_keys ("id", "name", "owner", "project_id", "scopes", "prefix", "secret_sha256", "created_at", "expires_at", "revoked_at", "last_used_at") VALUES ('key_01m7zgw5y0e8v52fbxhsmkrxav', 'test', 'alice', 'default', '["read","submit"]', 'esp_fc2vrf9x', 'ce7f48b9c8065bf01fd8ec05b6580e9e0be5d26360e665996af8f35f06b9e3db', '2026-11-21 17:01:16.096000', NULL, NULL, NULL);
INSERT INTO data_sets ("id", "name", "source", "version", "counts", "shape", "num_classes", "created_at", "report", "project_id", "supersedes_id", "description", "labels", "revision") VALUES ('dat_01m7zgw673ss753c75mkb1pf4j', 'digits', '{"kind":"digits"}', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', '{"train":1000,"validation":397,"test":400}', '[1,8,8]', 10, '2026-11-21 17:01:16.387000', 'null', 'default', NULL, NULL, '{}', 0);
INSERT INTO deliveries ("id", "webhook_id", "type", "data", "status", "attempts", "next_attempt_at", "response_status", "error", "created_at", "delivered_at", "project_id") VALUES (1, 'hok_01m7zgw6040add01m3njs87ggg', 'job.succeeded', '{"job":"job_01m7zgw69f6rm2d5vz30a2p8pk","kind":"train"}', 'waiting', 0, '2026-11-21 17:01:16.680000', NULL, NULL, '2026-11-21 17:01:16.680000', NULL, 'default');
INSERT INTO deliveries ("id", "webhook_id", "type", "data", "status", "attempts", "next_attempt_at", "response_status", "error", "created_at", "delivered_at", "project_id") VALUES (2, 'hok_01m7zgw6040add01m3njs87ggg', 'job.succeeded', '{"job":"job_01m7zgw6n29djmevbfnqxmrq27","kind":"search"}', 'waiting', 0, '2026-11-21 17:01:17.159000', NULL, NULL, '2026-11-21 17:01:17.159000', NULL, 'default');
INSERT INTO deliveries ("id", "webhook_id", "type", "data", "status", "attempts", "next_attempt_at", "response_status", "error", "created_at", "delivered_at", "project_id") VALUES (3, 'hok_01m7zgw6040add01m3njs87ggg', 'job.succeeded', '{"job":"job_01m7zgw6zry2fbp4fppfxwanya","kind":"export"}', 'waiting', 0, '2026-11-21 17:01:17.244000', NULL, NULL, '2026-11-21 17:01:17.244000', NULL, 'default');
INSERT INTO deliveries ("id", "webhook_id", "type", "data", "status", "attempts", "next_attempt_at", "response_status", "error", "created_at", "delivered_at", "project_id") VALUES (4, 'hok_01m7zgw6040add01m3njs87ggg', 'job.succeeded', '{"job":"job_01m7zgw753mqv8q3066gcdpw74","kind":"train"}', 'waiting', 0, '2026-11-21 17:01:18.094000', NULL, NULL, '2026-11-21 17:01:18.094000', NULL, 'default');
INSERT INTO deliveries ("id", "webhook_id", "type", "data", "status", "attempts", "next_attempt_at", "response_status", "error", "created_at", "delivered_at", "project_id") VALUES (5, 'hok_01m7zgw6040add01m3njs87ggg', 'job.succeeded', '{"job":"job_01m7zgw7yfzwwbg1h74eyt6zt3","kind":"assess"}', 'waiting', 0, '2026-11-21 17:01:18.455000', NULL, NULL, '2026-11-21 17:01:18.455000', NULL, 'default');
INSERT INTO job_dependencies ("job_id", "depends_on", "project_id") VALUES ('job_01m7zgw8eq84msg258wkp1ppsg', 'job_01m7zgw8bz2kptjn5kc7rwacny', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (1, 'job_01m7zgw69f6rm2d5vz30a2p8pk', 0, 'queued', '{}', '2026-11-21 17:01:16.463000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (2, 'job_01m7zgw69f6rm2d5vz30a2p8pk', 1, 'running', '{"owner":"runner"}', '2026-11-21 17:01:16.581000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (3, 'job_01m7zgw69f6rm2d5vz30a2p8pk', 1, 'succeeded', '{"version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}', '2026-11-21 17:01:16.680000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (4, 'job_01m7zgw6n29djmevbfnqxmrq27', 0, 'queued', '{}', '2026-11-21 17:01:16.834000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (5, 'job_01m7zgw6n29djmevbfnqxmrq27', 1, 'running', '{"owner":"runner"}', '2026-11-21 17:01:16.908000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (6, 'job_01m7zgw6n29djmevbfnqxmrq27', 1, 'succeeded', '{"counts":{"measured":4,"infeasible":0,"failed":0}}', '2026-11-21 17:01:17.159000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (7, 'job_01m7zgw6zry2fbp4fppfxwanya', 0, 'queued', '{}', '2026-11-21 17:01:17.176000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (8, 'job_01m7zgw6zry2fbp4fppfxwanya', 1, 'running', '{"owner":"runner"}', '2026-11-21 17:01:17.212000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (9, 'job_01m7zgw6zry2fbp4fppfxwanya', 1, 'succeeded', '{"files":["network.onnx"]}', '2026-11-21 17:01:17.244000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (10, 'job_01m7zgw753mqv8q3066gcdpw74', 0, 'queued', '{}', '2026-11-21 17:01:17.347000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (11, 'job_01m7zgw753mqv8q3066gcdpw74', 1, 'running', '{"owner":"runner"}', '2026-11-21 17:01:17.394000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (12, 'job_01m7zgw753mqv8q3066gcdpw74', 1, 'succeeded', '{"version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}', '2026-11-21 17:01:18.094000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (13, 'job_01m7zgw7yfzwwbg1h74eyt6zt3', 0, 'queued', '{}', '2026-11-21 17:01:18.159000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (14, 'job_01m7zgw7yfzwwbg1h74eyt6zt3', 1, 'running', '{"owner":"runner"}', '2026-11-21 17:01:18.204000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (15, 'job_01m7zgw7yfzwwbg1h74eyt6zt3', 1, 'succeeded', '{"measured":3}', '2026-11-21 17:01:18.455000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (16, 'job_01m7zgw88kp8kk8zemyeq4c6ya', 0, 'queued', '{}', '2026-11-21 17:01:18.483000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (17, 'job_01m7zgw88kp8kk8zemyeq4c6ya', 1, 'running', '{"owner":"runner"}', '2026-11-21 17:01:18.558000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (18, 'job_01m7zgw8bz2kptjn5kc7rwacny', 0, 'queued', '{}', '2026-11-21 17:01:18.591000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (19, 'job_01m7zgw8bz2kptjn5kc7rwacny', 1, 'running', '{}', '2026-11-21 17:01:18.628000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (20, 'job_01m7zgw8eq84msg258wkp1ppsg', 0, 'queued', '{}', '2026-11-21 17:01:18.679000', 'default');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at", "project_id") VALUES (21, 'job_01m7zgw8pp50r3w73pvvaqms4v', 0, 'queued', '{}', '2026-11-21 17:01:18.934000', 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw69f6rm2d5vz30a2p8pk', 'CPU', 1.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw69f6rm2d5vz30a2p8pk', 'GPU', 0.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw6n29djmevbfnqxmrq27', 'CPU', 1.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw6n29djmevbfnqxmrq27', 'GPU', 0.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw753mqv8q3066gcdpw74', 'CPU', 1.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw753mqv8q3066gcdpw74', 'GPU', 0.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw7yfzwwbg1h74eyt6zt3', 'CPU', 1.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw7yfzwwbg1h74eyt6zt3', 'GPU', 0.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw88kp8kk8zemyeq4c6ya', 'CPU', 1.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw88kp8kk8zemyeq4c6ya', 'GPU', 0.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw8pp50r3w73pvvaqms4v', 'CPU', 1.0, 'default');
INSERT INTO job_needs ("job_id", "resource", "amount", "project_id") VALUES ('job_01m7zgw8pp50r3w73pvvaqms4v', 'GPU', 0.0, 'default');
INSERT INTO occurrences ("project_id", "id", "campaign_id", "fire_at", "first_at", "firings", "trigger", "status", "stage", "reason", "number", "settings", "supernet_id", "training_job_id", "export_id", "candidate", "evaluations", "worker_hours", "created_at", "started_at", "finished_at") VALUES ('default', 'occ_01kjkbp0y0vq0537d1k4fa43v9', 'cam_01kjkb3q00vrsb8r6h9xbpw57m', '2026-03-01 00:10:00.000000', '2026-03-01 00:10:00.000000', 1, 'schedule', 'running', 'searching', NULL, 0, '{"name":"nightly","schedule":{"kind":"interval","every_seconds":600,"anchor":"2026-03-01T00:00:00Z"},"template":{"search":{"name":"x","supernet":"net_01m7zgw69f4t7rrpysakaxzzg8","searcher":{"kind":"random","batch_size":20,"warm_start":[]},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[],"evaluations":10,"evaluator":{"kind":"supernet","accuracy":{"kind":"accuracy","split":"validation","calibration_images":512,"calibration_seed":0,"batch_size":256,"precision":"float32","channels_last":true},"latency":{"kind":"latency","runtime":"onnxruntime","device":"cpu","threads":1,"batch_size":1,"statistic":"p10","warmup":2,"repeats":30,"finalist_repeats":99,"sessions":3,"min_sample_ms":0.5,"spinning":false,"drift_correction":true}},"resources":{"num_workers":1,"cpus_per_worker":1,"gpus_per_worker":0,"custom_per_worker":{},"max_worker_deaths":3},"seed":0,"job":{"priority":0,"deadline_seconds":null,"deadline_at":null,"retry":null,"after":[]}},"matrix":{"devices":[],"limits":[],"searchers":[],"seeds":[]},"warm_start":true,"vary_seed":true,"retraining":null},"overlap":"skip","catch_up":{"kind":"run_once"},"grace_seconds":60,"budget":{"evaluations":null,"worker_hours":null},"promotion":null}', 'net_01m7zgw69f4t7rrpysakaxzzg8', NULL, NULL, NULL, 10, 0.0, '2026-03-01 00:10:00.000000', '2026-03-01 00:10:00.000000', NULL);
INSERT INTO project_artifacts ("project_id", "sha256") VALUES ('default', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd');
INSERT INTO project_artifacts ("project_id", "sha256") VALUES ('default', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff');
INSERT INTO project_artifacts ("project_id", "sha256") VALUES ('default', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO project_artifacts ("project_id", "sha256") VALUES ('default', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
INSERT INTO supernets ("id", "name", "space_id", "data_set_id", "training", "resources", "seed", "job_id", "version", "summary", "created_at", "start", "teacher", "project_id", "description", "labels", "revision") VALUES ('net_01m7zgw69f4t7rrpysakaxzzg8', 'first', 'a59026bc8e8c7dde', 'dat_01m7zgw673ss753c75mkb1pf4j', '{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}}', '{"num_workers":1}', 1, 'job_01m7zgw69f6rm2d5vz30a2p8pk', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', '{"top1_percent":98.0}', '2026-11-21 17:01:16.463000', '{"kind":"scratch"}', 'null', 'default', NULL, '{}', 0);
INSERT INTO supernets ("id", "name", "space_id", "data_set_id", "training", "resources", "seed", "job_id", "version", "summary", "created_at", "start", "teacher", "project_id", "description", "labels", "revision") VALUES ('net_01m7zgw753g5fhdqmnw4n5mg5f', 'first', 'a59026bc8e8c7dde', 'dat_01m7zgw673ss753c75mkb1pf4j', '{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}}', '{"num_workers":1}', 1, 'job_01m7zgw753mqv8q3066gcdpw74', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', '{"top1_percent":98.0}', '2026-11-21 17:01:17.347000', '{"kind":"scratch"}', 'null', 'default', NULL, '{}', 0);
INSERT INTO assessments ("id", "supernet_id", "supernet_version", "samples", "strata", "accuracy", "standalone", "resources", "seed", "job_id", "summary", "created_at", "project_id") VALUES ('ass_01m7zgw7yfp49q2nw48we0va81', 'net_01m7zgw753g5fhdqmnw4n5mg5f', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 3, 1, '{}', '{"count":3}', '{}', 0, 'job_01m7zgw7yfzwwbg1h74eyt6zt3', '{"assessment":"ass_01m7zgw7yfp49q2nw48we0va81","supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","split":"validation","num_images":397,"num_sampled":3,"num_measured":3,"smallest":{"architecture_digest":"6a742548f01aa165","macs":100000.0,"top1_percent":90.0,"interval_percent":[88.0,92.0]},"largest":{"architecture_digest":"d309cb74e16ed080","macs":400000.0,"top1_percent":92.0,"interval_percent":[90.0,94.0]},"mean_pareto_top1_percent":90.66666666666667,"standalone":{"num_trained":3,"num_stopped":0,"num_failed":0,"kendall":{"value":0.3333333333333333,"interval":[-1.0,1.0],"num_pairs":3},"spearman":{"value":0.5,"interval":[-1.0,1.0],"num_pairs":3}},"finished_at":"2026-11-21T17:01:18.455000+00:00"}', '2026-11-21 17:01:18.159000', 'default');
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at", "project_id", "log_length", "description", "labels", "revision") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 'fast', 'net_01m7zgw69f4t7rrpysakaxzzg8', 'a59026bc8e8c7dde', '{"kind":"random"}', '[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}]', '[{"metric":"latency_ms","lower":null,"upper":1.0}]', 10, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '2eebf6fb32535a77', '{}', 0, 'job_01m7zgw6n29djmevbfnqxmrq27', '{"counts":{"measured":4,"infeasible":0,"failed":0}}', '2026-11-21 17:01:16.834000', 'default', NULL, NULL, '{}', 0);
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at", "project_id", "log_length", "description", "labels", "revision") VALUES ('sea_01m7zgw8bzr52yqk58a6rqpzhg', 'phones', NULL, '93f27eac9409612b', '{"kind":"random"}', '[{"metric":"joules","goal":"minimize"},{"metric":"top1_percent","goal":"maximize"}]', '[]', 20, '{"kind":"outside","lease_seconds":60.0,"barrier":false}', '966ea444dd202867', '{}', 7, 'job_01m7zgw8bz2kptjn5kc7rwacny', NULL, '2026-11-21 17:01:18.591000', 'default', 1, NULL, '{}', 0);
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at", "project_id", "log_length", "description", "labels", "revision") VALUES ('sea_01m7zgw8eq3djcakk9whhj448a', 'by table', NULL, '93f27eac9409612b', '{"kind":"random"}', '[{"metric":"joules","goal":"minimize"}]', '[]', 5, '{"kind":"table","table_version":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","choices":["a","b","c"],"metrics":["joules"]}', '992cf348e75116c4', '{}', 7, 'job_01m7zgw8eq84msg258wkp1ppsg', NULL, '2026-11-21 17:01:18.679000', 'default', NULL, NULL, '{}', 0);
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at", "project_id", "log_length", "description", "labels", "revision") VALUES ('sea_01m7zgw8pp8rczdkx5v0zq17j7', 'nightly #1.1', 'net_01m7zgw69f4t7rrpysakaxzzg8', 'a59026bc8e8c7dde', '{"kind":"random","batch_size":20,"warm_start":[]}', '[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}]', '[]', 10, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{"kind":"accuracy","split":"validation","calibration_images":512,"calibration_seed":0,"batch_size":256,"precision":"float32","channels_last":true},"latency":{"kind":"latency","runtime":"onnxruntime","device":"cpu","threads":1,"batch_size":1,"statistic":"p10","warmup":2,"repeats":30,"finalist_repeats":99,"sessions":3,"min_sample_ms":0.5,"spinning":false,"drift_correction":true}}', '14b8b62edfc824cb', '{"num_workers":1,"cpus_per_worker":1,"gpus_per_worker":0,"custom_per_worker":{},"max_worker_deaths":3}', 0, 'job_01m7zgw8pp50r3w73pvvaqms4v', NULL, '2026-11-21 17:01:18.934000', 'default', NULL, NULL, '{}', 0);
INSERT INTO assessed_architectures ("assessment_id", "number", "architecture_digest", "architecture", "status", "metrics", "provenance", "reason", "standalone", "created_at", "project_id") VALUES ('ass_01m7zgw7yfp49q2nw48we0va81', 0, '6a742548f01aa165', '{"resolution":8,"stage1.width":16,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":3,"stage2.width":12,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":1,"stage2.block3.kernel_size":5,"stage2.block3.expand_ratio":2,"stage3.width":24,"stage3.depth":3,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":1,"stage3.block3.kernel_size":5,"stage3.block3.expand_ratio":1}', 'measured', '{"top1_percent":90.0,"macs":100000.0}', '{"top1_percent":{"split":"validation","num_images":397,"interval_percent":[88.0,92.0]}}', NULL, '{"status":"trained","epochs":2,"history":[50.0,91.0],"top1_percent":91.0,"provenance":{"interval_percent":[89.0,93.0]},"reason":null}', '2026-11-21 17:01:18.275000', 'default');
INSERT INTO assessed_architectures ("assessment_id", "number", "architecture_digest", "architecture", "status", "metrics", "provenance", "reason", "standalone", "created_at", "project_id") VALUES ('ass_01m7zgw7yfp49q2nw48we0va81', 1, 'd9882bea0c910c17', '{"resolution":10,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":3,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":2,"stage2.width":16,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":1,"stage3.width":32,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', 'measured', '{"top1_percent":91.0,"macs":200000.0}', '{"top1_percent":{"split":"validation","num_images":397,"interval_percent":[89.0,93.0]}}', NULL, '{"status":"trained","epochs":2,"history":[50.0,94.0],"top1_percent":94.0,"provenance":{"interval_percent":[92.0,96.0]},"reason":null}', '2026-11-21 17:01:18.275000', 'default');
INSERT INTO assessed_architectures ("assessment_id", "number", "architecture_digest", "architecture", "status", "metrics", "provenance", "reason", "standalone", "created_at", "project_id") VALUES ('ass_01m7zgw7yfp49q2nw48we0va81', 2, 'd309cb74e16ed080', '{"resolution":12,"stage1.width":16,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage2.width":12,"stage2.depth":1,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1}', 'measured', '{"top1_percent":92.0,"macs":400000.0}', '{"top1_percent":{"split":"validation","num_images":397,"interval_percent":[90.0,94.0]}}', NULL, '{"status":"trained","epochs":2,"history":[50.0,93.0],"top1_percent":93.0,"provenance":{"interval_percent":[91.0,95.0]},"reason":null}', '2026-11-21 17:01:18.275000', 'default');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at", "project_id") VALUES ('eva_01m7zgw6vxm2t25101wyyf71x8', 'a59026bc8e8c7dde', 'fe72135a4c9f6d8a', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', 'measured', '{"top1_percent":97.0,"latency_ms":0.5}', '{"top1_percent":{"num_images":400,"interval_percent":[96.5,97.5]},"latency_ms":{"p10_ms":0.45,"p90_ms":0.55,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7zgw6n2yjd5bvm78fnpr2gq', '2026-11-21 17:01:17.053000', 'default');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at", "project_id") VALUES ('eva_01m7zgw6wnb4n1ww2yqeks6ebk', 'a59026bc8e8c7dde', 'bbe300d0fc7f599a', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage2.width":12,"stage2.depth":2,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":1,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', 'measured', '{"top1_percent":96.0,"latency_ms":0.25}', '{"top1_percent":{"num_images":400,"interval_percent":[95.5,96.5]},"latency_ms":{"p10_ms":0.225,"p90_ms":0.275,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7zgw6n2yjd5bvm78fnpr2gq', '2026-11-21 17:01:17.077000', 'default');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at", "project_id") VALUES ('eva_01m7zgw6xjb1w7psjzfnv8fdaf', 'a59026bc8e8c7dde', 'a71a35234d1f8991', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage2.width":16,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":3,"stage2.block3.kernel_size":3,"stage2.block3.expand_ratio":2,"stage3.width":32,"stage3.depth":3,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":2,"stage3.block3.kernel_size":3,"stage3.block3.expand_ratio":3}', 'measured', '{"top1_percent":94.0,"latency_ms":0.2}', '{"top1_percent":{"num_images":400,"interval_percent":[93.5,94.5]},"latency_ms":{"p10_ms":0.18000000000000002,"p90_ms":0.22000000000000003,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7zgw6n2yjd5bvm78fnpr2gq', '2026-11-21 17:01:17.106000', 'default');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at", "project_id") VALUES ('eva_01m7zgw6y0sseb4rjqr9nbnvkw', 'a59026bc8e8c7dde', '87eadccb1d1aea90', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2}', 'measured', '{"top1_percent":93.0,"latency_ms":0.6}', '{"top1_percent":{"num_images":400,"interval_percent":[92.5,93.5]},"latency_ms":{"p10_ms":0.54,"p90_ms":0.66,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7zgw6n2yjd5bvm78fnpr2gq', '2026-11-21 17:01:17.120000', 'default');
INSERT INTO exports ("id", "search_id", "architecture_digest", "architecture", "report_test", "job_id", "files", "card", "test_report", "created_at", "project_id") VALUES ('exp_01m7zgw6zrkwp23dkdh3m3aac6', 'sea_01m7zgw6n2yjd5bvm78fnpr2gq', 'fe72135a4c9f6d8a', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', false, 'job_01m7zgw6zry2fbp4fppfxwanya', '[{"name":"network.onnx","sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size_bytes":2000,"media_type":"application/vnd.onnx"}]', '{"espalier":"0.1.0"}', NULL, '2026-11-21 17:01:17.176000', 'default');
INSERT INTO occurrence_searches ("project_id", "occurrence_id", "position", "search_id", "place", "place_digest", "hypervolume", "result") VALUES ('default', 'occ_01kjkbp0y0vq0537d1k4fa43v9', 0, 'sea_01m7zgw8pp8rczdkx5v0zq17j7', '{"device":{"kind":"latency","runtime":"onnxruntime","device":"cpu","threads":1,"batch_size":1,"statistic":"p10","warmup":2,"repeats":30,"finalist_repeats":99,"sessions":3,"min_sample_ms":0.5,"spinning":false,"drift_correction":true},"limits":[],"searcher":{"kind":"random","batch_size":20,"warm_start":[]},"seed":0}', '4ac96de7050d6e2b', NULL, NULL);
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 0, 0, 'fe72135a4c9f6d8a', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', '2026-11-21 17:01:16.963000', 'default');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 1, 0, 'bbe300d0fc7f599a', '{"resolution":12,"stage1.width":12,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage2.width":12,"stage2.depth":2,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":1,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', '2026-11-21 17:01:16.963000', 'default');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 2, 0, 'a71a35234d1f8991', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage2.width":16,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":3,"stage2.block3.kernel_size":3,"stage2.block3.expand_ratio":2,"stage3.width":32,"stage3.depth":3,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":2,"stage3.block3.kernel_size":3,"stage3.block3.expand_ratio":3}', '2026-11-21 17:01:16.963000', 'default');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 3, 0, '87eadccb1d1aea90', '{"resolution":12,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2}', '2026-11-21 17:01:16.963000', 'default');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at", "project_id") VALUES ('sea_01m7zgw8bzr52yqk58a6rqpzhg', 0, 0, '86dc6e47331ae05f', '{"a":3,"b":2,"c":2}', '2026-11-21 17:01:18.628000', 'default');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at", "project_id") VALUES ('sea_01m7zgw8bzr52yqk58a6rqpzhg', 1, 0, '069babb0db208787', '{"a":3,"b":2,"c":3}', '2026-11-21 17:01:18.628000', 'default');
INSERT INTO refinements ("id", "name", "search_id", "count", "selection", "training", "distillation", "runs", "evaluator", "resources", "export", "report_test", "seed", "job_id", "result", "created_at", "project_id") VALUES ('ref_01m7zgw88k8cg9jhj2avskxxbb', 'best', 'sea_01m7zgw6n2yjd5bvm78fnpr2gq', 2, '{"rule":"the first"}', '{"epochs":2}', 1.0, 2, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '{}', true, true, 5, 'job_01m7zgw88kp8kk8zemyeq4c6ya', NULL, '2026-11-21 17:01:18.483000', 'default');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 0, 'eva_01m7zgw6vxm2t25101wyyf71x8', 1, 0, '2026-11-21 17:01:17.127000', 'default');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 1, 'eva_01m7zgw6wnb4n1ww2yqeks6ebk', 1, 1, '2026-11-21 17:01:17.127000', 'default');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 2, 'eva_01m7zgw6xjb1w7psjzfnv8fdaf', 1, 2, '2026-11-21 17:01:17.127000', 'default');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at", "project_id") VALUES ('sea_01m7zgw6n2yjd5bvm78fnpr2gq', 3, 'eva_01m7zgw6y0sseb4rjqr9nbnvkw', 1, 3, '2026-11-21 17:01:17.127000', 'default');
INSERT INTO proposal_leases ("search_id", "number", "project_id", "token", "fence", "worker", "expires_at", "step") VALUES ('sea_01m7zgw8bzr52yqk58a6rqpzhg', 0, 'default', 'lea_01m7zgw8d4tt48fmhq3pfexvxh', 1, 'desk 3', '2026-11-21 17:02:18.628000', 0);
INSERT INTO proposal_leases ("search_id", "number", "project_id", "token", "fence", "worker", "expires_at", "step") VALUES ('sea_01m7zgw8bzr52yqk58a6rqpzhg', 1, 'default', 'lea_01m7zgw8d4dahfmg80gfdb02j6', 1, 'desk 3', '2026-11-21 17:02:18.628000', 0);
INSERT INTO refined_networks ("refinement_id", "architecture_digest", "position", "architecture", "found", "version", "soup", "before", "after", "files", "card", "created_at", "project_id") VALUES ('ref_01m7zgw88k8cg9jhj2avskxxbb', 'bbe300d0fc7f599a', 0, '{"a":1}', '{"metrics":{"top1_percent":90.0,"latency_ms":0.5},"intervals":{"top1_percent":[89.0,91.0],"latency_ms":[0.4,0.6]},"provenance":{"top1_percent":{"interval_percent":[89.0,91.0]}}}', NULL, NULL, NULL, NULL, '[]', NULL, '2026-11-21 17:01:18.483000', 'default');
INSERT INTO refined_networks ("refinement_id", "architecture_digest", "position", "architecture", "found", "version", "soup", "before", "after", "files", "card", "created_at", "project_id") VALUES ('ref_01m7zgw88k8cg9jhj2avskxxbb', 'fe72135a4c9f6d8a', 1, '{"a":1}', '{"metrics":{"top1_percent":90.0,"latency_ms":0.5},"intervals":{"top1_percent":[89.0,91.0],"latency_ms":[0.4,0.6]},"provenance":{"top1_percent":{"interval_percent":[89.0,91.0]}}}', NULL, NULL, NULL, NULL, '[]', NULL, '2026-11-21 17:01:18.483000', 'default');
